// The signer against the official client: same message, same bytes, whatever is signed; and what it refuses to sign.
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { publicKeyOf, sha256, verify } from '../../src/chain/ecdsa.ts';
import type {
  Lifetime,
  OrderContent,
  Signer,
  TxStamp,
  VenueBatchCancel,
  VenueCancel,
  VenueOrder,
} from '../../src/core/ports.ts';
import { ownerOf, paperPrivateKey } from '../../src/venue/keys.ts';
import { bytesField, type Message, readMessage, stringField, uint64Field } from '../../src/venue/protobuf.ts';
import { createSigner } from '../../src/venue/signer.ts';
import { connectOfficial, type Official } from './official-client.ts';

const CHAIN_ID = 'dydx-paper-1';
const ACCOUNT_NUMBER = 300;
const STAMP = { nonce: 1_785_000_000_123, memo: 'r2' } as const;

const owner = await ownerOf(paperPrivateKey());
const CONTENT: OrderContent = {
  side: 'SELL',
  quantums: 9_007_199_254_740_993n,
  subticks: 9_223_372_036_854_775_807n,
  timeInForce: 'IOC',
  reduceOnly: true,
  clientMetadata: 1,
};
const id = (orderFlags: number) => ({
  owner,
  subaccountNumber: 2,
  clientId: 4_294_967_295,
  clobPairId: 1,
  orderFlags,
});
const SHORT = { id: id(0), goodTilBlock: 12_345_678 };
const LONG_TERM = { id: id(64), goodTilBlockTime: 1_785_000_600 };
const CONDITIONAL = { id: id(32), goodTilBlockTime: 4_294_967_295 };
const STOP = { type: 'STOP_LOSS', triggerSubticks: 9_223_372_036_854_775_807n } as const;
const BATCH: VenueBatchCancel = {
  owner,
  subaccountNumber: 2,
  goodTilBlock: 12_345_678,
  lists: [
    { clobPairId: 0, clientIds: [4_294_967_295, 0, 7] },
    { clobPairId: 31, clientIds: [7] },
  ],
};

let signer: Signer;
let official: Official;

beforeAll(async () => {
  const privateKey = paperPrivateKey();
  signer = await createSigner({ privateKey, chainId: CHAIN_ID, accountNumber: ACCOUNT_NUMBER });
  official = await connectOfficial(privateKey, owner, CHAIN_ID, ACCOUNT_NUMBER);
});

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const inner = (message: Message | undefined, field: number) =>
  readMessage(message?.bytes(field) ?? Uint8Array.of(0xff));
/** The order as the chain would decode it, read without the client. */
const orderIn = (bytes: Uint8Array) => inner(inner(inner(inner(readMessage(bytes), 1), 1), 2), 1);
/** SignerInfo of the transaction. */
const signerInfoIn = (bytes: Uint8Array) => inner(inner(readMessage(bytes), 2), 1);

describe('the bytes are those of the official client', () => {
  const orders: readonly (readonly [name: string, order: VenueOrder, stamp?: TxStamp])[] = [
    ['a short-term order that rests', { ...SHORT, ...CONTENT, timeInForce: 'GTT', reduceOnly: false }],
    ['a short-term IOC order to sell', { ...SHORT, ...CONTENT }],
    ['a short-term post-only order to buy', { ...SHORT, ...CONTENT, side: 'BUY', timeInForce: 'POST_ONLY' }],
    [
      'an order with client id 0 on pair 0',
      { ...SHORT, ...CONTENT, id: { ...id(0), clientId: 0, clobPairId: 0 } },
    ],
    ['a long-term order', { ...LONG_TERM, ...CONTENT, timeInForce: 'GTT', reduceOnly: false }, STAMP],
    ['a long-term post-only order', { ...LONG_TERM, ...CONTENT, timeInForce: 'POST_ONLY' }, STAMP],
    ['an order without a memo', { ...LONG_TERM, ...CONTENT }, { ...STAMP, memo: '' }],
    ['a stop-loss order', { ...CONDITIONAL, ...CONTENT, condition: STOP }, STAMP],
    [
      'a take-profit order',
      { ...CONDITIONAL, ...CONTENT, condition: { type: 'TAKE_PROFIT', triggerSubticks: 1n } },
      STAMP,
    ],
  ];
  for (const [name, order, stamp] of orders) {
    test(name, async () => {
      const theirs = await official.place(order, { sequence: stamp?.nonce ?? 0, memo: stamp?.memo ?? '' });
      expect(hex((await signer.sign(order, stamp)).bytes)).toBe(hex(theirs));
    });
  }

  const cancels: readonly (readonly [name: string, cancel: VenueCancel, stamp?: TxStamp])[] = [
    ['a cancel of a short-term order', SHORT],
    ['a cancel of a long-term order', LONG_TERM, STAMP],
    ['a cancel of a conditional order', CONDITIONAL, STAMP],
  ];
  for (const [name, cancel, stamp] of cancels) {
    test(name, async () => {
      const theirs = await official.cancel(cancel, { sequence: stamp?.nonce ?? 0, memo: stamp?.memo ?? '' });
      expect(hex((await signer.signCancel(cancel, stamp)).bytes)).toBe(hex(theirs));
    });
  }

  test('a batch of cancels', async () => {
    expect(hex((await signer.signBatchCancel(BATCH)).bytes)).toBe(hex(await official.batchCancel(BATCH)));
  });

  test('of an account with number 0', async () => {
    const privateKey = paperPrivateKey();
    const zero = await createSigner({ privateKey, chainId: CHAIN_ID, accountNumber: 0 });
    const theirs = await connectOfficial(privateKey, owner, CHAIN_ID, 0);
    const order = { ...SHORT, ...CONTENT };
    expect(hex((await zero.sign(order)).bytes)).toBe(hex(await theirs.place(order)));
  });
});

describe('a permissioned key', () => {
  const key = Buffer.alloc(32, 7);
  const authenticators = { place: 0n, cancel: 42n, batchCancel: 2n ** 63n + 5n };

  test('signs orders of another owner with the authenticator of each message, as the official client does', async () => {
    const permissioned = await createSigner({
      privateKey: key,
      chainId: CHAIN_ID,
      accountNumber: ACCOUNT_NUMBER,
      owner,
      authenticators,
    });
    expect(permissioned.owner).toBe(owner);
    const theirs = await connectOfficial(key, owner, CHAIN_ID, ACCOUNT_NUMBER);
    const order = { ...LONG_TERM, ...CONTENT };
    const envelope = { sequence: STAMP.nonce, memo: STAMP.memo };
    expect(hex((await permissioned.sign(order, STAMP)).bytes)).toBe(
      hex(await theirs.place(order, { ...envelope, authenticator: authenticators.place })),
    );
    expect(hex((await permissioned.signCancel(LONG_TERM, STAMP)).bytes)).toBe(
      hex(await theirs.cancel(LONG_TERM, { ...envelope, authenticator: authenticators.cancel })),
    );
    expect(hex((await permissioned.signBatchCancel(BATCH)).bytes)).toBe(
      hex(await theirs.batchCancel(BATCH, { authenticator: authenticators.batchCancel })),
    );
  });

  test('signs nothing for its own address', async () => {
    const address = await ownerOf(key);
    const options = { privateKey: key, chainId: CHAIN_ID, accountNumber: 1, owner, authenticators };
    const permissioned = await createSigner(options);
    const order = { ...SHORT, ...CONTENT, id: { ...id(0), owner: address } };
    await expect(permissioned.sign(order)).rejects.toThrow(`belongs to ${address}`);
  });
});

test('signing twice gives the same bytes, another memo gives others', async () => {
  const order = { ...LONG_TERM, ...CONTENT };
  const [first, second] = [await signer.sign(order, STAMP), await signer.sign(order, STAMP)];
  expect(first).toEqual(second);
  const sibling = await signer.sign(order, { ...STAMP, memo: 'r3' });
  expect(sibling.hash).not.toBe(first.hash);
  expect(signerInfoIn(sibling.bytes)?.uint64(3)).toBe(BigInt(STAMP.nonce));
});

test('the hash is sha256 of the bytes in upper-case hex', async () => {
  const { bytes, hash } = await signer.sign({ ...SHORT, ...CONTENT });
  expect(hash).toBe(sha256(bytes).toString('hex').toUpperCase());
  expect(hash).toMatch(/^[0-9A-F]{64}$/);
});

test('quantums, subticks and trigger are exact up to the last of 63 bits', async () => {
  const integer = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
  await fc.assert(
    fc.asyncProperty(integer, integer, integer, async (quantums, subticks, triggerSubticks) => {
      const condition = { ...STOP, triggerSubticks };
      const order = { ...CONDITIONAL, ...CONTENT, quantums, subticks, condition };
      const signed = orderIn((await signer.sign(order, STAMP)).bytes);
      expect([signed?.uint64(3), signed?.uint64(4), signed?.uint64(11)]).toEqual([
        quantums,
        subticks,
        triggerSubticks,
      ]);
    }),
    { numRuns: 200 },
  );
});

// cosmjs-types 0.9 writes numbers in [2^31, 2^32) wrongly; nonces are larger, but their lower half may lie there.
test('every nonce from 2^40 on is in the transaction as it was given, and the signature holds', async () => {
  const publicKey = publicKeyOf(paperPrivateKey());
  const nonce = fc.oneof(
    fc.integer({ min: 2 ** 40, max: Number.MAX_SAFE_INTEGER }),
    fc.integer({ min: 1_700_000_000_000, max: 2_200_000_000_000 }),
    fc.integer({ min: 2 ** 31, max: 2 ** 32 - 1 }).map((low) => 415 * 2 ** 32 + low),
    fc.constantFrom(2 ** 40, 2 ** 40 + 2 ** 31, 2 ** 40 + 2 ** 32 - 1, 2 ** 41, Number.MAX_SAFE_INTEGER),
  );
  await fc.assert(
    fc.asyncProperty(nonce, async (value) => {
      const { bytes } = await signer.signCancel(LONG_TERM, { nonce: value, memo: '' });
      expect(signerInfoIn(bytes)?.uint64(3)).toBe(BigInt(value));
      const raw = readMessage(bytes);
      const document = Buffer.concat([
        bytesField(1, raw?.bytes(1) ?? new Uint8Array(0)),
        bytesField(2, raw?.bytes(2) ?? new Uint8Array(0)),
        stringField(3, CHAIN_ID),
        uint64Field(4, BigInt(ACCOUNT_NUMBER)),
      ]);
      expect(verify(document, raw?.bytes(3) ?? new Uint8Array(0), publicKey)).toBe(true);
    }),
    { numRuns: 500 },
  );
});

test('another chain id or account number gives another signature', async () => {
  const privateKey = paperPrivateKey();
  const order = { ...SHORT, ...CONTENT };
  const base = await signer.sign(order);
  for (const other of [
    { chainId: 'dydx-testnet-4', accountNumber: ACCOUNT_NUMBER },
    { chainId: CHAIN_ID, accountNumber: 0 },
  ]) {
    const signed = await (await createSigner({ privateKey, ...other })).sign(order);
    expect(signed.hash).not.toBe(base.hash);
  }
});

describe('is not signed:', () => {
  const bad: readonly (readonly [name: string, sign: () => Promise<unknown>, message: RegExp])[] = [
    ['an order of another owner', place({ id: { ...id(0), owner: 'dydx1other' } }), /belongs to dydx1other/],
    ['a TWAP order', place({ id: id(128) }), /order flags 128/],
    ['a client id beyond uint32', place({ id: { ...id(0), clientId: 2 ** 32 } }), /clientId/],
    ['a negative clob pair', place({ id: { ...id(0), clobPairId: -1 } }), /clobPairId/],
    ['a fractional subaccount', place({ id: { ...id(0), subaccountNumber: 0.5 } }), /subaccountNumber/],
    ['a fractional good-til-block', place({ goodTilBlock: 1.5 }), /goodTilBlock/],
    ['good-til-block 0', place({ goodTilBlock: 0 }), /goodTilBlock is 0/],
    ['no quantums', place({ quantums: 0n }), /quantums/],
    ['subticks beyond 63 bits', place({ subticks: 2n ** 63n }), /subticks/],
    ['a condition of a short-term order', place({ condition: STOP }), /take no condition/],
    ['a stamp of a short-term order', place({}, STAMP), /take no nonce/],
    [
      'a time of a short-term order',
      () => signer.sign(mixed({ goodTilBlockTime: 1 })),
      /ends by goodTilBlock/,
    ],
    [
      'a long-term order with a block',
      () => signer.sign(mixed({ id: id(64) }), STAMP),
      /by goodTilBlockTime/,
    ],
    [
      'an order with both ends',
      () => signer.sign(mixed({ goodTilBlock: 1, goodTilBlockTime: 1 })),
      /and by nothing else/,
    ],
    ['an order with no end', () => signer.sign(mixed({ goodTilBlock: undefined })), /ends by goodTilBlock/],
    ['a long-term order without a nonce', () => signer.sign({ ...LONG_TERM, ...CONTENT }), /need a nonce/],
    [
      'a sequence for a nonce',
      () => signer.sign({ ...LONG_TERM, ...CONTENT }, { nonce: 2 ** 40 - 1, memo: '' }),
      /no unix time in milliseconds/,
    ],
    [
      'a nonce beyond what a number holds',
      () => signer.sign({ ...LONG_TERM, ...CONTENT }, { nonce: 2 ** 53, memo: '' }),
      /no unix time/,
    ],
    [
      'a memo of 257 bytes',
      () => signer.sign({ ...LONG_TERM, ...CONTENT }, { ...STAMP, memo: `${'é'.repeat(128)}x` }),
      /up to 256 bytes/,
    ],
    [
      'a conditional order without its condition',
      () => signer.sign({ ...CONDITIONAL, ...CONTENT }, STAMP),
      /order flags 32 need a condition/,
    ],
    [
      'a trigger of 0',
      () => signer.sign({ ...CONDITIONAL, ...CONTENT, condition: { ...STOP, triggerSubticks: 0n } }, STAMP),
      /triggerSubticks/,
    ],
    [
      'a good-til-time beyond uint32',
      () => signer.sign({ ...LONG_TERM, ...CONTENT, goodTilBlockTime: 2 ** 32 }, STAMP),
      /goodTilBlockTime/,
    ],
    [
      'a cancel of another owner',
      () => signer.signCancel({ ...SHORT, id: { ...id(0), owner: 'x' } }),
      /belongs to x/,
    ],
    ['a cancel of a long-term order without a nonce', () => signer.signCancel(LONG_TERM), /need a nonce/],
    ['a batch of another owner', batch({ owner: 'x' }), /belongs to x/],
    ['a batch without a list', batch({ lists: [] }), /1 to 100 orders, not 0/],
    ['a batch with an empty list', lists([1], []), /clob pair 1 has no client id/],
    [
      'a batch of 101',
      lists(
        Array.from({ length: 60 }, (_, i) => i),
        Array.from({ length: 41 }, (_, i) => i),
      ),
      /not 101/,
    ],
    ['a client id twice in a batch', lists([1, 2, 1]), /client id twice/],
    [
      'a clob pair twice in a batch',
      batch({
        lists: [
          { clobPairId: 1, clientIds: [1] },
          { clobPairId: 1, clientIds: [2] },
        ],
      }),
      /clob pair is there twice/,
    ],
    ['a client id beyond uint32 in a batch', lists([2 ** 32]), /clientId/],
    ['a batch with good-til-block 0', batch({ goodTilBlock: 0 }), /goodTilBlock is 0/],
  ];
  test.each(bad)('%s', async (_name, sign, message) => {
    await expect(sign()).rejects.toThrow(message);
  });

  function place(
    change: Partial<OrderContent> & { id?: VenueOrder['id']; goodTilBlock?: number },
    stamp?: TxStamp,
  ) {
    return () => signer.sign({ ...SHORT, ...CONTENT, ...change }, stamp);
  }
  /** What the types forbid and a row of a database could hold. */
  function mixed(change: {
    id?: VenueOrder['id'];
    goodTilBlock?: number | undefined;
    goodTilBlockTime?: number;
  }) {
    return { ...CONTENT, ...SHORT, ...change } as VenueOrder & Lifetime;
  }
  function batch(change: Partial<VenueBatchCancel>) {
    return () => signer.signBatchCancel({ ...BATCH, ...change });
  }
  function lists(...clientIds: number[][]) {
    return batch({ lists: clientIds.map((ids, clobPairId) => ({ clobPairId, clientIds: ids })) });
  }
});

test('100 cancels fit into a batch, over several pairs', async () => {
  const lists = [0, 1].map((clobPairId) => ({
    clobPairId,
    clientIds: Array.from({ length: 50 }, (_, clientId) => clientId),
  }));
  const { bytes } = await signer.signBatchCancel({ ...BATCH, lists });
  const message = inner(inner(inner(readMessage(bytes), 1), 1), 2);
  const { shortTermCancels } = dydx.MsgBatchCancel.decode(
    inner(inner(readMessage(bytes), 1), 1)?.bytes(2) ?? new Uint8Array(0),
  );
  expect(message?.everyBytes(2)).toHaveLength(2);
  expect(shortTermCancels).toEqual(lists);
});
