// The signer against the official client: same message, same bytes.
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { sha256 } from '../../src/chain/ecdsa.ts';
import type { Signer, VenueOrder } from '../../src/core/ports.ts';
import { paperPrivateKey } from '../../src/venue/keys.ts';
import { type Message, readMessage } from '../../src/venue/protobuf.ts';
import { createSigner } from '../../src/venue/signer.ts';

const CHAIN_ID = 'dydx-paper-1';
const ACCOUNT_NUMBER = 300;

let signer: Signer;
let wallet: Awaited<ReturnType<typeof dydx.LocalWallet.fromPrivateKey>>;
let order: VenueOrder;

beforeAll(async () => {
  const privateKey = paperPrivateKey();
  signer = await createSigner({ privateKey, chainId: CHAIN_ID, accountNumber: ACCOUNT_NUMBER });
  wallet = await dydx.LocalWallet.fromPrivateKey(Buffer.from(privateKey).toString('hex'), 'dydx');
  order = {
    id: { owner: signer.owner, subaccountNumber: 2, clientId: 4_294_967_295, clobPairId: 1, orderFlags: 0 },
    side: 'SELL',
    quantums: 9_007_199_254_740_993n,
    subticks: 9_223_372_036_854_775_807n,
    timeInForce: 'IOC',
    reduceOnly: true,
    goodTilBlock: 12_345_678,
    clientMetadata: 1,
  };
});

/** The order as the chain would decode it, read without the client. */
function orderIn(bytes: Uint8Array): Message | undefined {
  const inner = (message: Message | undefined, field: number) =>
    readMessage(message?.bytes(field) ?? Uint8Array.of(0xff));
  const body = inner(readMessage(bytes), 1);
  const any = inner(body, 1);
  return inner(inner(any, 2), 1);
}

/** The way of the official client: its own key wallet and its own enums. */
async function officially(venueOrder: VenueOrder, tif: number, side: number): Promise<Uint8Array> {
  const { id } = venueOrder;
  const value = dydx.MsgPlaceOrder.fromPartial({
    order: {
      orderId: {
        subaccountId: { owner: id.owner, number: id.subaccountNumber },
        clientId: id.clientId,
        orderFlags: dydx.OrderFlags.SHORT_TERM,
        clobPairId: id.clobPairId,
      },
      side,
      quantums: venueOrder.quantums.toString(),
      subticks: venueOrder.subticks.toString(),
      goodTilBlock: venueOrder.goodTilBlock,
      timeInForce: tif,
      reduceOnly: venueOrder.reduceOnly,
      clientMetadata: venueOrder.clientMetadata,
    },
  });
  return wallet.signTransaction(
    [{ typeUrl: '/dydxprotocol.clob.MsgPlaceOrder', value }],
    { sequence: 0, accountNumber: ACCOUNT_NUMBER, chainId: CHAIN_ID },
    { amount: [], gas: '1000000' },
    '',
  );
}

describe('sign', () => {
  const { SIDE_BUY, SIDE_SELL } = dydx.Order_Side;
  const { TIME_IN_FORCE_UNSPECIFIED, TIME_IN_FORCE_IOC, TIME_IN_FORCE_POST_ONLY } = dydx.Order_TimeInForce;
  const rows = [
    ['BUY', SIDE_BUY, 'GTT', TIME_IN_FORCE_UNSPECIFIED],
    ['SELL', SIDE_SELL, 'IOC', TIME_IN_FORCE_IOC],
    ['BUY', SIDE_BUY, 'POST_ONLY', TIME_IN_FORCE_POST_ONLY],
  ] as const;
  for (const [side, officialSide, timeInForce, officialTif] of rows) {
    test(`${side} ${timeInForce} gives the bytes of the official client`, async () => {
      const ours = await signer.sign({ ...order, side, timeInForce });
      const theirs = await officially({ ...order, side, timeInForce }, officialTif, officialSide);
      expect(Buffer.from(ours.bytes).toString('hex')).toBe(Buffer.from(theirs).toString('hex'));
    });
  }

  test('signing twice gives the same bytes', async () => {
    const [first, second] = [await signer.sign(order), await signer.sign(order)];
    expect(Buffer.from(first.bytes).equals(second.bytes)).toBe(true);
    expect(first.hash).toBe(second.hash);
  });

  test('the hash is sha256 of the bytes in upper-case hex', async () => {
    const { bytes, hash } = await signer.sign(order);
    expect(hash).toBe(sha256(bytes).toString('hex').toUpperCase());
    expect(hash).toMatch(/^[0-9A-F]{64}$/);
  });

  test('quantums and subticks are exact up to the last of 63 bits', async () => {
    const integer = fc.bigInt({ min: 1n, max: 2n ** 63n - 1n });
    await fc.assert(
      fc.asyncProperty(integer, integer, async (quantums, subticks) => {
        const signed = orderIn((await signer.sign({ ...order, quantums, subticks })).bytes);
        expect([signed?.uint64(3), signed?.uint64(4)]).toEqual([quantums, subticks]);
      }),
      { numRuns: 200 },
    );
  });

  test('another chain id or account number gives another signature', async () => {
    const privateKey = paperPrivateKey();
    const base = await signer.sign(order);
    for (const other of [
      { chainId: 'dydx-testnet-4', accountNumber: ACCOUNT_NUMBER },
      { chainId: CHAIN_ID, accountNumber: 0 },
    ]) {
      const signed = await (await createSigner({ privateKey, ...other })).sign(order);
      expect(signed.hash).not.toBe(base.hash);
    }
  });

  const bad: readonly (readonly [name: string, change: () => Partial<VenueOrder>, message: RegExp])[] = [
    ['a long-term order', () => ({ id: { ...order.id, orderFlags: 64 } }), /order flags 64/],
    ['a conditional order', () => ({ id: { ...order.id, orderFlags: 32 } }), /order flags 32/],
    [
      'an order of another owner',
      () => ({ id: { ...order.id, owner: 'dydx1other' } }),
      /belongs to dydx1other/,
    ],
    ['a client id beyond uint32', () => ({ id: { ...order.id, clientId: 2 ** 32 } }), /clientId/],
    ['a fractional good-til-block', () => ({ goodTilBlock: 1.5 }), /goodTilBlock/],
    ['no good-til-block', () => ({ goodTilBlock: 0 }), /goodTilBlock/],
    ['no quantums', () => ({ quantums: 0n }), /quantums/],
    ['subticks beyond 63 bits', () => ({ subticks: 2n ** 63n }), /subticks/],
  ];
  for (const [name, change, message] of bad) {
    test(`${name} is not signed`, async () => {
      await expect(signer.sign({ ...order, ...change() })).rejects.toThrow(message);
    });
  }
});

test('account number 0 is signed as the official client does', async () => {
  const zero = await createSigner({ privateKey: paperPrivateKey(), chainId: CHAIN_ID, accountNumber: 0 });
  const ours = await zero.sign(order);
  const tx = [{ typeUrl: '/dydxprotocol.clob.MsgPlaceOrder', value: messageOf(ours.bytes) }];
  const options = { sequence: 0, accountNumber: 0, chainId: CHAIN_ID };
  const theirs = await wallet.signTransaction(tx, options, { amount: [], gas: '1000000' }, '');
  expect(Buffer.from(ours.bytes).equals(theirs)).toBe(true);
});

/** The message of a transaction, decoded by the official client. */
function messageOf(bytes: Uint8Array) {
  const empty = Uint8Array.of(0xff);
  const body = readMessage(readMessage(bytes)?.bytes(1) ?? empty);
  return dydx.MsgPlaceOrder.decode(readMessage(body?.bytes(1) ?? empty)?.bytes(2) ?? empty);
}
