// What a node answers to questions about the state, byte by byte, and that half an answer is none.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import type { OrderId } from '../../src/core/order-uuid.ts';
import { bytesField, readMessage, stringField, uint64Field } from '../../src/venue/protobuf.ts';
import { createValidator, type ValidatorNode } from '../../src/venue/validator.ts';
import { abci, abciError, byMethod, NO_ANSWERS, status, TOLD_BY } from './rpc-script.ts';
import { type Script, type ScriptedServer, startServer } from './scripted-server.ts';

const OWNER = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';
const ID: OrderId = { owner: OWNER, subaccountNumber: 0, clientId: 7, clobPairId: 0, orderFlags: 64 };

let server: ScriptedServer;
let validator: ValidatorNode;

beforeEach(async () => {
  server = await startServer();
  validator = createValidator({ url: server.url, timeoutMs: 250, ...TOLD_BY });
});
afterEach(async () => {
  await validator.close();
  await server.close();
});

const all = (...parts: Uint8Array[]) => Buffer.concat(parts);
/** bytesField leaves out what is empty; the chain writes an empty message that is always there. */
const emptyField = (field: number) => Uint8Array.of((field << 3) | 2, 0);

function asked(): { path: string; data: Uint8Array } {
  const { method, params } = JSON.parse(server.bodies.at(-1) ?? '');
  expect(method).toBe('abci_query');
  expect(params.prove).toBe(false);
  return { path: params.path, data: Buffer.from(params.data, 'hex') };
}

describe('accountNumber', () => {
  function account(fields: { address?: string; number?: bigint; typeUrl?: string }) {
    const { address = OWNER, number = 4n, typeUrl = '/cosmos.auth.v1beta1.BaseAccount' } = fields;
    const key = bytesField(2, Uint8Array.of(10, 1, 65));
    const base = all(stringField(1, address), key, uint64Field(3, number), uint64Field(4, 77n));
    return abci(bytesField(1, all(stringField(1, typeUrl), bytesField(2, base))));
  }

  test('asks for the address and reads the number out of the account', async () => {
    server.answer = account({ number: 300_000n });
    expect(await validator.accountNumber(OWNER)).toBe(300_000);
    expect(asked()).toEqual({
      path: '/cosmos.auth.v1beta1.Query/Account',
      data: Buffer.from(stringField(1, OWNER)),
    });
  });

  test('number 0 is a number', async () => {
    server.answer = account({ number: 0n });
    expect(await validator.accountNumber(OWNER)).toBe(0);
  });

  test('an address without an account is an error that says so', async () => {
    server.answer = abciError(22, `account ${OWNER} not found`);
    await expect(validator.accountNumber(OWNER)).rejects.toThrow(/never been funded/);
  });

  test('another query error is not mistaken for it', async () => {
    server.answer = abciError(18, 'invalid request');
    await expect(validator.accountNumber(OWNER)).rejects.toThrow(/invalid request \(18\)/);
  });

  test('an account of another kind, another address or no account at all is an error', async () => {
    server.answer = account({ typeUrl: '/cosmos.auth.v1beta1.ModuleAccount' });
    await expect(validator.accountNumber(OWNER)).rejects.toThrow(/ModuleAccount/);
    server.answer = account({ address: 'dydx1other' });
    await expect(validator.accountNumber(OWNER)).rejects.toThrow(/malformed account/);
    server.answer = abci(Uint8Array.of(10, 255));
    await expect(validator.accountNumber(OWNER)).rejects.toThrow(/malformed/);
  });
});

describe('statefulOrder', () => {
  const answer = (script: Script, told: Script = status()) => {
    server.answer = byMethod({ status: told, abci_query: script });
  };
  const ask = (minHeight = 100) => validator.statefulOrder(ID, minHeight);
  const orderId = (id: OrderId) =>
    dydx.OrderId.encode(
      dydx.OrderId.fromPartial({
        subaccountId: { owner: id.owner, number: id.subaccountNumber },
        clientId: id.clientId,
        orderFlags: id.orderFlags,
        clobPairId: id.clobPairId,
      }),
    ).finish();
  const placed = (id: OrderId) =>
    all(
      bytesField(1, bytesField(1, all(bytesField(1, orderId(id)), uint64Field(3, 1_000_000n)))),
      uint64Field(2, 5n),
      uint64Field(3, 1n),
    );

  test('asks for the order id, and an order that is there is present at the height of the answer', async () => {
    answer(abci(placed(ID)));
    expect(await ask()).toEqual({ kind: 'present', height: 123 });
    expect(asked().path).toBe('/dydxprotocol.clob.Query/StatefulOrder');
    expect(dydx.OrderId.decode(readMessage(asked().data)?.bytes(1) ?? new Uint8Array(0))).toMatchObject({
      subaccountId: { owner: OWNER, number: 0 },
      clientId: 7,
      orderFlags: 64,
      clobPairId: 0,
    });
  });

  test.each([
    ['is on another chain', status({ chainId: 'other-1' }), /on chain other-1, not dydx-paper-1/],
    ['is catching up', status({ isCatchingUp: true }), /catching up/],
    ['tells a block of the future', status({ time: '2026-03-06T00:00:00Z' }), /86400\.0 s in the future/],
  ])('a node that %s is not asked', async (_name, told, why) => {
    answer(abciError(22, 'not found'), told);
    await expect(ask()).rejects.toThrow(why);
    expect(server.bodies.map((body) => JSON.parse(body).method)).toEqual(['status']);
  });

  test('not found is absent, by code or by text', async () => {
    answer(abciError(22, 'rpc error: code = NotFound desc = not found: key not found'));
    expect(await ask()).toEqual({ kind: 'absent', height: 123 });
    answer(abciError(5, 'not found', { height: '100' }));
    expect(await ask()).toEqual({ kind: 'absent', height: 100 });
  });

  test.each([
    ['99', /answered for block 99, block 100 was asked for/],
    [undefined, /answered for block 0/],
    ['x', /malformed answer to \/dydxprotocol.*StatefulOrder/],
  ])('an answer for height %s is none, found or not', async (height, why) => {
    answer(abciError(22, 'not found', { height }));
    await expect(ask()).rejects.toThrow(why);
    answer(abci(placed(ID), { height }));
    await expect(ask()).rejects.toThrow(why);
  });

  test('another order, half an order or nothing at all is an error, not presence', async () => {
    answer(abci(placed({ ...ID, clientId: 8 })));
    await expect(ask()).rejects.toThrow(/malformed/);
    answer(abci(placed(ID).subarray(0, 20)));
    await expect(ask()).rejects.toThrow(/malformed/);
    answer(abci(null));
    await expect(ask()).rejects.toThrow(/malformed/);
  });

  test('another refusal is an error, not absence', async () => {
    answer(abciError(6, 'unknown query path'));
    await expect(ask()).rejects.toThrow(/StatefulOrder failed at 127.*unknown query path \(6\)/);
  });
});

describe('blockRateLimits', () => {
  const limit = (blocks: bigint, most: bigint) => all(uint64Field(1, blocks), uint64Field(2, most));
  const config = (...fields: Uint8Array[]) => abci(bytesField(1, all(...fields)));

  test('reads every limit of stateful orders, and of short-term orders with their cancels', async () => {
    server.answer = config(
      bytesField(2, limit(1n, 2n)),
      bytesField(2, limit(100n, 20n)),
      bytesField(4, limit(5n, 4_000n)),
      bytesField(5, limit(1n, 1n)),
    );
    expect(await validator.blockRateLimits()).toEqual({
      shortTerm: [{ blocks: 5, limit: 4_000 }],
      stateful: [
        { blocks: 1, limit: 2 },
        { blocks: 100, limit: 20 },
      ],
    });
    expect(asked()).toEqual({
      path: '/dydxprotocol.clob.Query/BlockRateLimitConfiguration',
      data: Buffer.alloc(0),
    });
  });

  test('the deprecated limits count only where the new one is missing', async () => {
    const [orders, cancels] = [bytesField(1, limit(1n, 200n)), bytesField(3, limit(1n, 300n))];
    server.answer = config(orders, cancels, bytesField(4, limit(5n, 4_000n)));
    expect((await validator.blockRateLimits()).shortTerm).toEqual([{ blocks: 5, limit: 4_000 }]);
    server.answer = config(orders, cancels);
    expect((await validator.blockRateLimits()).shortTerm).toEqual([
      { blocks: 1, limit: 200 },
      { blocks: 1, limit: 300 },
    ]);
  });

  test('a chain without limits says so by an empty configuration, not by silence', async () => {
    server.answer = abci(emptyField(1));
    expect(await validator.blockRateLimits()).toEqual({ shortTerm: [], stateful: [] });
    server.answer = abci(null);
    await expect(validator.blockRateLimits()).rejects.toThrow(/malformed/);
    server.answer = abciError(22, 'not found');
    await expect(validator.blockRateLimits()).rejects.toThrow(/malformed/);
  });

  test('a limit of 0, of no blocks, or cut off is an error', async () => {
    for (const bad of [limit(1n, 0n), limit(0n, 1n), limit(1n, 2n ** 32n), Uint8Array.of(8)]) {
      server.answer = config(bytesField(2, bad));
      await expect(validator.blockRateLimits()).rejects.toThrow(/malformed/);
    }
  });
});

describe('equityTiers', () => {
  const tier = (required: Uint8Array, most: bigint) => all(bytesField(1, required), uint64Field(2, most));
  const config = (...fields: Uint8Array[]) => abci(bytesField(1, all(...fields)));

  test('reads the tiers of stateful orders, lowest first, 0 included', async () => {
    server.answer = config(
      bytesField(1, tier(Uint8Array.of(2, 1), 99n)),
      bytesField(2, tier(Uint8Array.of(2, 0x01, 0x31, 0x2d, 0x00), 10n)),
      bytesField(2, tier(Uint8Array.of(2), 0n)),
    );
    expect(await validator.equityTiers()).toEqual([
      { usdcQuantums: 0n, limit: 0 },
      { usdcQuantums: 20_000_000n, limit: 10 },
    ]);
    expect(asked().path).toBe('/dydxprotocol.clob.Query/EquityTierLimitConfiguration');
  });

  test('an equity that is negative or no integer is an error, and so is silence', async () => {
    for (const bad of [Uint8Array.of(3, 1), Uint8Array.of(9, 1)]) {
      server.answer = config(bytesField(2, tier(bad, 1n)));
      await expect(validator.equityTiers()).rejects.toThrow(/malformed/);
    }
    server.answer = abci(null);
    await expect(validator.equityTiers()).rejects.toThrow(/malformed/);
  });
});

describe('authenticators', () => {
  test('reads all of them, the id 0 included', async () => {
    const one = (id: bigint, type: string, config: Uint8Array) =>
      bytesField(1, all(uint64Field(1, id), stringField(2, type), bytesField(3, config)));
    server.answer = abci(
      all(one(0n, 'MessageFilter', Buffer.from('/x')), one(2n ** 64n - 1n, 'AllOf', new Uint8Array(0))),
    );
    expect(await validator.authenticators(OWNER)).toEqual([
      { id: 0n, type: 'MessageFilter', config: Buffer.from('/x') },
      { id: 2n ** 64n - 1n, type: 'AllOf', config: new Uint8Array(0) },
    ]);
    expect(asked()).toEqual({
      path: '/dydxprotocol.accountplus.Query/GetAuthenticators',
      data: Buffer.from(stringField(1, OWNER)),
    });
  });

  test('none is an answer', async () => {
    server.answer = abci(null);
    expect(await validator.authenticators(OWNER)).toEqual([]);
  });

  test('one without a type, or cut off, is an error', async () => {
    for (const bad of [bytesField(1, uint64Field(1, 1n)), Uint8Array.of(10, 9)]) {
      server.answer = abci(bad);
      await expect(validator.authenticators(OWNER)).rejects.toThrow(/malformed/);
    }
  });
});

for (const [name, script] of NO_ANSWERS) {
  test(`${name} is an error of every query, with the host`, async () => {
    server.answer = byMethod({ status: status(), abci_query: script });
    const queries = [
      validator.accountNumber(OWNER),
      validator.statefulOrder(ID, 1),
      validator.blockRateLimits(),
      validator.equityTiers(),
      validator.authenticators(OWNER),
    ];
    for (const answer of await Promise.allSettled(queries)) {
      expect(answer).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringMatching(/127\.0\.0\.1:\d+/) },
      });
    }
  });
}
