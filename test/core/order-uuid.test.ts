// The indexer's ids: the vectors of real mainnet orders, and RFC 9562 as another library computes it.
import fc from 'fast-check';
import { v5 } from 'uuid';
import { expect, test } from 'vitest';
import { fillUuid, orderUuid, subaccountUuid, uuidV5 } from '../../src/core/order-uuid.ts';

const NAMESPACE = '0f9da948-a6fb-4c45-9edc-4685c3f3317d';
const OWNER = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';

test('ids are those of real orders on mainnet', () => {
  const id = { owner: OWNER, subaccountNumber: 0, clobPairId: 1 };
  expect(subaccountUuid(OWNER, 0)).toBe('8586bcf6-1f58-5ec9-a0bc-e53db273e7b0');
  expect(orderUuid({ ...id, clientId: 1964904710, orderFlags: 0 })).toBe(
    '5a1c10aa-66bb-5cf2-a106-32d6470eb43e',
  );
  expect(orderUuid({ ...id, clientId: 2130017314, orderFlags: 64 })).toBe(
    '0ef4a74e-6916-5a1e-9744-baa9c37d5ce3',
  );
});

test('every name has the UUID that RFC 9562 gives it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (name) => {
      expect(uuidV5(name)).toBe(v5(name, NAMESPACE));
    }),
  );
});

test('a change of any part of an order id is another order', () => {
  const id = { owner: OWNER, subaccountNumber: 1, clientId: 2, clobPairId: 3, orderFlags: 0 };
  const others = [
    { ...id, owner: `${OWNER}x` },
    { ...id, subaccountNumber: 0 },
    { ...id, clientId: 4294967295 },
    { ...id, clobPairId: 4 },
    { ...id, orderFlags: 64 },
  ];
  expect(new Set([id, ...others].map(orderUuid)).size).toBe(6);
});

test('a fill is named by its event and its side of the match', () => {
  const eventId = Uint8Array.of(0, 0, 1, 44, 0, 0, 0, 2, 0, 0, 0, 171);
  expect(fillUuid(eventId, 'TAKER')).toBe(v5('0000012c00000002000000ab-TAKER', NAMESPACE));
  expect(fillUuid(eventId, 'MAKER')).toBe(v5('0000012c00000002000000ab-MAKER', NAMESPACE));
});
