// What the reconciler ends can be proven from the stored rows alone, and no row can be changed without a trace: of
// short-term orders. proof-stateful.test.ts does the same for the others.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { orderUuid } from '../../src/core/order-uuid.ts';
import {
  type ProvenAttempt,
  type ProvenFill,
  type ProvenOrder,
  type Resolution,
  whyUnproven,
} from '../../src/core/proof.ts';
import type { OrderFacts } from '../../src/core/reconcile.ts';
import { type OrderStatus, STATUSES } from '../../src/core/status.ts';
import { attemptOf, fillOf, identityOf, orderFacts } from './builders.ts';
import { ended, type StoredOrder } from './stored-order.ts';

const why = ({ order, attempts, fills }: StoredOrder) => whyUnproven(order, attempts, fills);

const refusal = { codespace: 'clob', code: 2004, log: 'filled already' };
const refusedAttempt = attemptOf({ outcome: 'refused', codespace: 'clob', code: 2004, transmissions: 2 });
const fillsOf = (facts: OrderFacts, ...sizes: string[]) => sizes.map((size) => fillOf(facts, { size }));

const resting = orderFacts();
const ioc = orderFacts({ timeInForce: 'IOC' });
const cancelled = orderFacts({ isCancelRequested: true });
const refused = orderFacts({ refusal });
const refusedIoc = orderFacts({ timeInForce: 'IOC', refusal });
const resigned = orderFacts({ goodTilBlock: 115 });

/** Everything that the reconciler can end, with the status it ends in. */
const CASES: Readonly<Record<string, readonly [OrderStatus, StoredOrder]>> = {
  'filled at once': ['FILLED', ended(resting, fillsOf(resting, '10'), [attemptOf()])],
  'filled by three': ['FILLED', ended(resting, fillsOf(resting, '1', '2', '7'), [attemptOf()])],
  'expired without a fill': ['EXPIRED', ended(resting, [], [attemptOf()])],
  'expired with fills': ['EXPIRED', ended(resting, fillsOf(resting, '1', '2'), [attemptOf()])],
  'expired without an answer': ['EXPIRED', ended(resting, [], [attemptOf({ outcome: 'doubt', code: null })])],
  ioc_no_match: ['CANCELLED', ended(ioc, [], [attemptOf()])],
  ioc_remainder: ['CANCELLED', ended(ioc, fillsOf(ioc, '4'), [attemptOf()])],
  'cancelled without a fill': ['CANCELLED', ended(cancelled, [], [attemptOf()])],
  'cancelled with a fill': ['CANCELLED', ended(cancelled, fillsOf(cancelled, '4'), [attemptOf()])],
  'refused until dead': ['REJECTED', ended(refused, [], [refusedAttempt])],
  'an IOC refused until dead': ['REJECTED', ended(refusedIoc, [], [refusedAttempt])],
  'expired after a refusal that a fill explains': [
    'EXPIRED',
    ended(refused, fillsOf(refused, '4'), [refusedAttempt]),
  ],
  'signed twice': [
    'EXPIRED',
    ended(
      resigned,
      fillsOf(resigned, '4'),
      [
        attemptOf({ outcome: 'deferred', codespace: 'clob', code: 5001 }),
        attemptOf({ goodTilBlock: 115, signedHeight: 105, txBytes: Uint8Array.of(4, 5, 6) }),
      ],
      117,
    ),
  ],
};

describe('what the reconciler ended is proven', () => {
  for (const [name, [status, rows]] of Object.entries(CASES)) {
    test(`${status}: ${name}`, () => {
      expect(rows.order.status).toBe(status);
      expect(why(rows)).toBeUndefined();
    });
  }

  test('whatever was signed, answered, cancelled and filled', () => {
    const orders = fc.record({
      timeInForce: fc.constantFrom('GTT' as const, 'IOC' as const),
      isCancelRequested: fc.boolean(),
      isRefused: fc.boolean(),
      size: fc.integer({ min: 1, max: 12 }),
      sizes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
      height: fc.integer({ min: 112, max: 500 }),
    });
    fc.assert(
      fc.property(orders, ({ size, sizes, isRefused, height, ...rest }) => {
        const facts = orderFacts({ ...rest, size: `${size}`, refusal: isRefused ? refusal : undefined });
        const fills = fillsOf(facts, ...sizes.map(String));
        expect(why(ended(facts, fills, [isRefused ? refusedAttempt : attemptOf()], height))).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('at the very block of the highest good-til-block, without any margin', () => {
    const { order, attempts, fills } = ended(resting, fillsOf(resting, '4'), [attemptOf()]);
    if (order.resolution?.rule !== 'dead') throw new Error('no evidence of death');
    const atOnce = { ...order, resolution: { ...order.resolution, height: 110 } };
    expect(whyUnproven(atOnce, attempts, fills)).toBeUndefined();
  });

  test('after a recovery up to the highest block that can have been signed, with a fill of a signature that was forgotten', () => {
    const recovered = orderFacts({ goodTilBlock: 150 });
    const rows = ended(recovered, [fillOf(recovered, { size: '4', height: 140 })], [attemptOf()], 152);
    expect(rows.order.status).toBe('EXPIRED');
    expect(why(rows)).toBeUndefined();
    expect(why({ ...rows, order: { ...rows.order, goodTilBlock: 149 } })).toContain('not the highest');
  });

  test('a late partial fill leaves the proof of the end whole', () => {
    const rows = ended(resting, fillsOf(resting, '1'), [attemptOf()]);
    const late: StoredOrder = {
      ...rows,
      order: { ...rows.order, filledSize: '4', hasLateFill: true },
      fills: [...rows.fills, { size: '3', height: 110 }],
    };
    expect(why(late)).toBeUndefined();
  });

  test('a refusal explains REJECTED next to a fill only when the fill came after the end', () => {
    const { order, attempts } = ended(refused, [], [refusedAttempt]);
    const filled = { ...order, filledSize: '4' };
    const fills = [{ size: '4', height: 105 }];
    expect(whyUnproven({ ...filled, hasLateFill: true }, attempts, fills)).toBeUndefined();
    const { resolution } = order;
    if (resolution?.rule !== 'dead') throw new Error('no evidence of death');
    const knewTheFill = { ...filled, resolution: { ...resolution, fills: 1 } };
    expect(whyUnproven(knewTheFill, attempts, fills)).toBe('no refusal explains REJECTED');
  });

  test('a fill that the evidence should have known, and that was never alarmed, contradicts it', () => {
    const rows = ended(resting, fillsOf(resting, '1'), [attemptOf()]);
    const contradicted: StoredOrder = {
      ...rows,
      order: { ...rows.order, filledSize: '4' },
      fills: [...rows.fills, { size: '3', height: 110 }],
    };
    expect(why(contradicted)).toContain('there are 2');
  });
});

describe('a single change of the rows is found:', () => {
  const withOrder =
    (changes: Partial<ProvenOrder>) =>
    (rows: StoredOrder): StoredOrder => ({
      ...rows,
      order: { ...rows.order, ...changes },
    });
  const withFirst =
    (changes: Partial<ProvenAttempt>) =>
    (rows: StoredOrder): StoredOrder => ({
      ...rows,
      attempts: rows.attempts.map((attempt, index) => (index === 0 ? { ...attempt, ...changes } : attempt)),
    });
  const withFill =
    (changes: Partial<ProvenFill>) =>
    (rows: StoredOrder): StoredOrder | undefined =>
      rows.fills.length === 0
        ? undefined
        : { ...rows, fills: rows.fills.map((fill, index) => (index === 0 ? { ...fill, ...changes } : fill)) };
  const withEvidence =
    (change: (resolution: Resolution) => Resolution | undefined) =>
    (rows: StoredOrder): StoredOrder | undefined => {
      const resolution = rows.order.resolution === null ? undefined : change(rows.order.resolution);
      return resolution === undefined ? undefined : { ...rows, order: { ...rows.order, resolution } };
    };

  /** undefined: the change does not apply to these rows. */
  const MUTATIONS: Readonly<Record<string, (rows: StoredOrder) => StoredOrder | undefined>> = {
    'a fill removed': (rows) =>
      rows.fills.length === 0 ? undefined : { ...rows, fills: rows.fills.slice(1) },
    'a fill added': (rows) => ({ ...rows, fills: [...rows.fills, { size: '1', height: 105 }] }),
    'a fill made larger': withFill({ size: '10.000000000000000001' }),
    'a fill moved before the first signature': withFill({ height: 99 }),
    'a fill moved behind the good-til-block': withFill({ height: 116 }),
    'the filled size changed': withOrder({ filledSize: '0.5' }),
    'the bytes changed': withFirst({ txBytes: Uint8Array.of(1, 2, 4) }),
    'the hash changed': withFirst({ txHash: 'A'.repeat(64) }),
    'good_til_block raised on the order': withOrder({ goodTilBlock: 116 }),
    'good_til_block lowered on the order': withOrder({ goodTilBlock: 109 }),
    'good_til_block removed from the order': withOrder({ goodTilBlock: null }),
    'good_til_block raised on an attempt': withFirst({ goodTilBlock: 116 }),
    'good_til_block raised on the order and an attempt': (rows) =>
      rows.order.status === 'FILLED'
        ? undefined
        : { ...withFirst({ goodTilBlock: 116 })(rows), order: { ...rows.order, goodTilBlock: 116 } },
    'a later attempt added': (rows) => ({
      ...rows,
      attempts: [...rows.attempts, attemptOf({ goodTilBlock: 116, txBytes: Uint8Array.of(9) })],
    }),
    'every attempt removed': (rows) => ({ ...rows, attempts: [] }),
    'the resolution removed': withOrder({ resolution: null }),
    'the evidence older than the good-til-block': withEvidence((resolution) =>
      resolution.rule === 'dead'
        ? { ...resolution, height: (resolution.good_til_block ?? 0) - 1 }
        : undefined,
    ),
    'the evidence of another good-til-block': withEvidence((resolution) =>
      resolution.rule === 'dead'
        ? { ...resolution, good_til_block: (resolution.good_til_block ?? 0) - 1 }
        : undefined,
    ),
    'the good-til-block removed from the evidence': withEvidence((resolution) => {
      if (resolution.rule !== 'dead') return undefined;
      const { good_til_block: _, ...rest } = resolution;
      return rest;
    }),
    'the evidence of a fill more than there is': withEvidence((resolution) =>
      resolution.rule === 'dead' || resolution.rule === 'filled'
        ? { ...resolution, fills: resolution.fills + 1 }
        : undefined,
    ),
    'the evidence of another code': withEvidence((resolution) =>
      resolution.rule === 'dead' && resolution.code !== undefined ? { ...resolution, code: 20 } : undefined,
    ),
    'the evidence of another codespace': withEvidence((resolution) =>
      resolution.rule === 'dead' && resolution.code !== undefined
        ? { ...resolution, codespace: 'sdk' }
        : undefined,
    ),
    'the code removed from the evidence': withEvidence((resolution) => {
      if (resolution.rule !== 'dead' || resolution.code === undefined) return undefined;
      const { codespace: _, code: __, log: ___, ...rest } = resolution;
      return rest;
    }),
    'the code of the attempt that refused it': (rows) =>
      rows.order.status === 'REJECTED' ? withFirst({ code: 20 })(rows) : undefined,
    'an attempt that was accepted after all': (rows) =>
      rows.order.status === 'REJECTED' ? withFirst({ outcome: 'accepted' })(rows) : undefined,
    'the order UUID': withOrder({ orderUuid: orderUuid(identityOf(2)) }),
    'the identity': withOrder({ identity: identityOf(2) }),
    'the size larger': (rows) =>
      rows.order.status === 'FILLED' ? withOrder({ size: '11' })(rows) : undefined,
    'the size no larger than what was filled': (rows) =>
      rows.order.status !== 'FILLED' && rows.fills.length > 0
        ? withOrder({ size: rows.order.filledSize })(rows)
        : undefined,
  };

  for (const [name, mutate] of Object.entries(MUTATIONS)) {
    test(name, () => {
      const mutants = Object.entries(CASES).flatMap(([original, [, rows]]) => {
        const mutant = mutate(rows);
        return mutant === undefined ? [] : [{ original, isFound: why(mutant) !== undefined }];
      });
      expect(mutants.length).toBeGreaterThan(0);
      expect(mutants.filter(({ isFound }) => !isFound).map(({ original }) => original)).toEqual([]);
    });
  }

  for (const [name, [status, rows]] of Object.entries(CASES)) {
    test(`another status than ${status} for an order that was ${name}`, () => {
      const unfound = STATUSES.filter(
        (other) => other !== status && why(withOrder({ status: other })(rows)) === undefined,
      );
      expect(unfound).toEqual([]);
    });
  }

  test('an IOC remainder where nothing was filled', () => {
    const [, rows] = CASES['ioc_no_match'] ?? [];
    expect(rows && why(withOrder({ statusReason: 'ioc_remainder' })(rows))).toBe(
      'an IOC remainder without a fill',
    );
  });
});

describe('a refusal in answer to the first and only transmission', () => {
  const attempt = attemptOf({ outcome: 'refused', codespace: 'clob', code: 2003 });
  const evidence = {
    rule: 'refused',
    codespace: 'clob',
    code: 2003,
    log: 'would cross',
    tx_hash: attempt.txHash,
  } as const;
  const [, base] = CASES['expired without a fill'] ?? [];
  if (base === undefined) throw new Error('no base');
  const order: ProvenOrder = {
    ...base.order,
    status: 'REJECTED',
    statusReason: 'clob/2003',
    resolution: evidence,
  };

  test('is proof of REJECTED', () => {
    expect(whyUnproven(order, [attempt], [])).toBeUndefined();
  });

  const UNPROVEN: Readonly<
    Record<string, readonly [ProvenOrder, readonly ProvenAttempt[], readonly ProvenFill[]]>
  > = {
    'sent twice': [order, [{ ...attempt, transmissions: 2 }], []],
    'signed twice': [order, [attempt, attemptOf({ goodTilBlock: 109, txBytes: Uint8Array.of(7) })], []],
    'never signed': [order, [], []],
    'of other bytes': [{ ...order, resolution: { ...evidence, tx_hash: 'B'.repeat(64) } }, [attempt], []],
    'with another code in the evidence': [{ ...order, resolution: { ...evidence, code: 3 } }, [attempt], []],
    'with another codespace in the evidence': [
      { ...order, resolution: { ...evidence, codespace: 'sdk' } },
      [attempt],
      [],
    ],
    'with the same code of another codespace, which is a refusal there, too': [
      { ...order, resolution: { ...evidence, codespace: 'sdk', code: 4 } },
      [{ ...attempt, code: 4 }],
      [],
    ],
    'with another code at the attempt': [order, [{ ...attempt, code: 3 }], []],
    'with changed bytes': [order, [{ ...attempt, txBytes: Uint8Array.of(0) }], []],
    'with a fill': [{ ...order, filledSize: '1' }, [attempt], [{ size: '1', height: 105 }]],
    'with good_til_block raised': [{ ...order, goodTilBlock: 111 }, [attempt], []],
    'with nothing as evidence': [{ ...order, resolution: null }, [attempt], []],
  };
  for (const [name, rows] of Object.entries(UNPROVEN)) {
    test(`is no proof when it was ${name}`, () => {
      expect(whyUnproven(...rows)).toBeTypeOf('string');
    });
  }

  test('is no proof of any other status', () => {
    for (const status of STATUSES.filter((other) => other !== 'REJECTED')) {
      expect(whyUnproven({ ...order, status }, [attempt], []), status).toBeTypeOf('string');
    }
  });

  const OWN_DOING = [7, 20, 24, 2001, 2004, 3005, 3006, 3008, 3009].map((code) => ['clob', code] as const);
  for (const [codespace, code] of [...OWN_DOING, ['sdk', 32], ['clob', 5001], ['clob', 7777]] as const) {
    test(`is no proof when its code is ${codespace}/${code}, which ends no order`, () => {
      const resolution = { ...evidence, codespace, code };
      expect(whyUnproven({ ...order, resolution }, [{ ...attempt, codespace, code }], [])).toBe(
        `${codespace}/${code} ends no order`,
      );
    });
  }
});

describe('an order that was never sent', () => {
  const [, base] = CASES['expired without a fill'] ?? [];
  if (base === undefined) throw new Error('no base');
  const resolution = {
    rule: 'never_sent',
    cause: 'submit_by has passed',
    at: '2026-03-04T05:06:07.000Z',
  } as const;
  const order: ProvenOrder = {
    ...base.order,
    orderUuid: null,
    identity: undefined,
    goodTilBlock: null,
    resolution,
  };

  test('is proven to be CANCELLED, EXPIRED or REJECTED, and nothing else', () => {
    const proven = STATUSES.filter((status) => whyUnproven({ ...order, status }, [], []) === undefined);
    expect(proven).toEqual(['CANCELLED', 'REJECTED', 'EXPIRED']);
  });

  test('is not proven when something was signed or filled', () => {
    expect(whyUnproven(order, [], [])).toBeUndefined();
    expect(whyUnproven({ ...order, goodTilBlock: 110 }, [attemptOf()], [])).toBe(
      'called never sent, but it was signed',
    );
    expect(whyUnproven({ ...order, filledSize: '1' }, [], [{ size: '1', height: 105 }])).toBeTypeOf('string');
  });
});
