// A trader for the paper exchange's tests: signs real transactions with the official client's wallet and sends them
// over HTTP, so that nothing in these tests reaches behind the exchange's faces.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { dydx } from '../../src/chain/dydx.ts';
import { orderUuid } from '../../src/core/order-uuid.ts';
import { paperAccountNumber } from '../../src/paper/accounts.ts';
import { type Paper, type PaperOptions, startPaper } from '../../src/paper/paper.ts';

type Integer = ReturnType<typeof dydx.Order.decode>['quantums'];
const LongValue: { fromString: (text: string, unsigned: boolean) => Integer } = createRequire(
  import.meta.url,
)('long');

export type Answer = {
  readonly code: number;
  readonly codespace: string;
  readonly log: string;
  readonly hash: string;
};
export type RpcAnswer = {
  readonly result?: Answer;
  readonly error?: { code: number; message: string; data: string };
};

export type OrderDraft = {
  readonly clientId?: number;
  readonly pair?: number;
  readonly flags?: number;
  readonly subaccount?: number;
  readonly side?: 'BUY' | 'SELL';
  /** base quantums; default 0.01 BTC */
  readonly quantums?: bigint;
  readonly subticks?: bigint;
  readonly goodTilBlock?: number;
  readonly goodTilBlockTime?: number;
  readonly timeInForce?: number;
  readonly reduceOnly?: boolean;
  readonly owner?: string;
  readonly conditionType?: number;
};

export const IOC = 1;
export const POST_ONLY = 2;
/** BTC-USD: prices in dollars, sizes in 0.0001 BTC */
export const dollars = (price: number): bigint => BigInt(price) * 100_000n;
export const steps = (count: number): bigint => BigInt(count) * 1_000_000n;
/** Far enough from the ±3 % path to be filled at once, or never. */
export const HIGH = dollars(70_000);
export const LOW = dollars(50_000);

export async function startTestPaper(options: PaperOptions = {}): Promise<Paper> {
  return await startPaper({ blockMs: 0, ...options });
}

export async function getJson<T = Record<string, unknown>>(
  url: string,
): Promise<{ status: number; body: T }> {
  const response = await fetch(url);
  return { status: response.status, body: (await response.json()) as T };
}

export async function rpc(
  url: string,
  method: string,
  params: Record<string, unknown> = {},
): Promise<RpcAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  return (await response.json()) as RpcAnswer;
}

export function broadcast(url: string, bytes: Uint8Array): Promise<RpcAnswer> {
  return rpc(url, 'broadcast_tx_sync', { tx: Buffer.from(bytes).toString('base64') });
}

export type Message = { readonly typeUrl: string; readonly value: unknown };

export async function createTrader(paper: Paper, name: string) {
  const key = createHash('sha256').update(name).digest('hex');
  const wallet = await dydx.LocalWallet.fromPrivateKey(key, 'dydx');
  const owner = wallet.address ?? '';
  let nextClientId = 1;

  const orderId = (draft: OrderDraft & { clientId: number }) => ({
    subaccountId: { owner: draft.owner ?? owner, number: draft.subaccount ?? 0 },
    clientId: draft.clientId,
    orderFlags: draft.flags ?? 0,
    clobPairId: draft.pair ?? 0,
  });

  const placement = (draft: OrderDraft & { clientId: number }): Message => ({
    typeUrl: '/dydxprotocol.clob.MsgPlaceOrder',
    value: dydx.MsgPlaceOrder.fromPartial({
      order: {
        orderId: orderId(draft),
        side: draft.side === 'SELL' ? 2 : 1,
        quantums: LongValue.fromString((draft.quantums ?? steps(100)).toString(), true),
        subticks: LongValue.fromString((draft.subticks ?? HIGH).toString(), true),
        ...(draft.goodTilBlockTime === undefined
          ? { goodTilBlock: draft.goodTilBlock ?? paper.height() + 10 }
          : { goodTilBlockTime: draft.goodTilBlockTime }),
        timeInForce: draft.timeInForce ?? 0,
        reduceOnly: draft.reduceOnly ?? false,
        conditionType: draft.conditionType ?? 0,
      },
    }),
  });

  const signed = (
    messages: readonly Message[],
    options: { chainId?: string; accountNumber?: number; memo?: string } = {},
  ) =>
    wallet.signTransaction(
      messages as never,
      {
        sequence: 0,
        accountNumber: options.accountNumber ?? paperAccountNumber(owner),
        chainId: options.chainId ?? paper.chainId,
      } as never,
      { amount: [], gas: '1000000' } as never,
      options.memo ?? '',
    );

  const send = async (messages: readonly Message[], memo = ''): Promise<Answer> => {
    const answer = await broadcast(paper.url, await signed(messages, { memo }));
    if (!answer.result) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  };

  return {
    owner,
    wallet,
    placement,
    signed,
    send,
    uuid: (clientId: number, draft: OrderDraft = {}) =>
      orderUuid({
        owner,
        subaccountNumber: draft.subaccount ?? 0,
        clientId,
        clobPairId: draft.pair ?? 0,
        orderFlags: draft.flags ?? 0,
      }),
    /** Places and answers with the verdict and the order's uuid. */
    async place(draft: OrderDraft = {}, memo = '') {
      const clientId = draft.clientId ?? nextClientId++;
      const answer = await send([placement({ ...draft, clientId })], memo);
      return { ...answer, clientId, id: this.uuid(clientId, draft) };
    },
    cancel: (clientId: number, goodTilBlock: number, draft: OrderDraft = {}) =>
      send([
        {
          typeUrl: '/dydxprotocol.clob.MsgCancelOrder',
          value: dydx.MsgCancelOrder.fromPartial({ orderId: orderId({ ...draft, clientId }), goodTilBlock }),
        },
      ]),
    batchCancel: (goodTilBlock: number, lists: { clobPairId: number; clientIds: number[] }[]) =>
      send([
        {
          typeUrl: '/dydxprotocol.clob.MsgBatchCancel',
          value: dydx.MsgBatchCancel.fromPartial({
            subaccountId: { owner, number: 0 },
            shortTermCancels: lists,
            goodTilBlock,
          }),
        },
      ]),
  };
}

export type Trader = Awaited<ReturnType<typeof createTrader>>;
