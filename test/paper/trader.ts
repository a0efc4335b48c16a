// A trader for the paper exchange's tests: signs real transactions with the official client's wallet and sends them
// over HTTP, so that nothing in these tests reaches behind the exchange's faces.
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { dydx } from '../../src/chain/dydx.ts';
import { sign } from '../../src/chain/ecdsa.ts';
import { orderUuid } from '../../src/core/order-uuid.ts';
import { type Paper, type PaperOptions, startPaper } from '../../src/paper/paper.ts';
import { paperAccountNumber } from '../../src/paper/wire/accounts.ts';
import {
  bytesField,
  numberField,
  readFields,
  writeBytes,
  writeNumber,
} from '../../src/paper/wire/protobuf.ts';
import { type Answer, abci, broadcast } from './ask.ts';

type Integer = ReturnType<typeof dydx.Order.decode>['quantums'];
const LongValue: { fromString: (text: string, unsigned: boolean) => Integer } = createRequire(
  import.meta.url,
)('long');

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
  readonly triggerSubticks?: bigint;
  /** plain sequence or timestamp nonce; short-term transactions are not asked for it */
  readonly sequence?: number;
  /** RPC address; default the proposer's own node */
  readonly node?: string;
  /** of a permissioned key, one a message */
  readonly authenticators?: readonly number[];
};

export const IOC = 1;
export const POST_ONLY = 2;
export const CONDITIONAL = 32;
export const LONG_TERM = 64;
/** BTC-USD: prices in dollars, sizes in 0.0001 BTC */
export const dollars = (price: number): bigint => BigInt(price) * 100_000n;
export const steps = (count: number): bigint => BigInt(count) * 1_000_000n;
/** Far enough from the ±3 % path to be filled at once, or never. */
export const HIGH = dollars(70_000);
export const LOW = dollars(50_000);

/** Block times of a test that decides what time it is. */
export function createClock() {
  let timeMs = Date.now();
  return {
    now: () => timeMs,
    setMs(next: number) {
      timeMs = next;
    },
  };
}

/** Unix seconds, as good-til-block-times are. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

export function inAnHour(): number {
  return inSeconds(3600);
}

export async function startTestPaper(options: PaperOptions = {}): Promise<Paper> {
  return await startPaper({ blockMs: 0, ...options });
}

export type Message = { readonly typeUrl: string; readonly value: unknown };

type SignOptions = {
  readonly chainId?: string;
  readonly accountNumber?: number;
  readonly memo?: string;
  readonly sequence?: number;
  readonly authenticators?: readonly number[];
  /** the official client cannot set it */
  readonly timeoutHeight?: number;
};
export type SendOptions = SignOptions & {
  /** RPC address; default the proposer's own node */
  readonly node?: string;
};

const long = (value: bigint | number): Integer => LongValue.fromString(value.toString(), true);

function orderId(owner: string, draft: OrderDraft & { clientId: number }) {
  return {
    subaccountId: { owner: draft.owner ?? owner, number: draft.subaccount ?? 0 },
    clientId: draft.clientId,
    orderFlags: draft.flags ?? 0,
    clobPairId: draft.pair ?? 0,
  };
}

/** Signs with the key made of its name; for `owner`'s account if that is another (a permissioned key). */
export async function createTrader(paper: Paper, name: string, owner?: string) {
  const key = createHash('sha256').update(name).digest('hex');
  const wallet = await dydx.LocalWallet.fromPrivateKey(key, 'dydx');
  const account = owner ?? wallet.address ?? '';
  let nextClientId = 1;
  let nextSequence = 0;

  const placement = (draft: OrderDraft & { clientId: number }): Message => ({
    typeUrl: dydx.TYPE_URL_MSG_PLACE_ORDER,
    value: dydx.MsgPlaceOrder.fromPartial({
      order: {
        orderId: orderId(account, draft),
        side: draft.side === 'SELL' ? 2 : 1,
        quantums: long(draft.quantums ?? steps(100)),
        subticks: long(draft.subticks ?? HIGH),
        ...lifetime(draft, paper),
        timeInForce: draft.timeInForce ?? 0,
        reduceOnly: draft.reduceOnly ?? false,
        conditionType: draft.conditionType ?? 0,
        conditionalOrderTriggerSubticks: long(draft.triggerSubticks ?? 0n),
      },
    }),
  });

  const cancellation = (draft: OrderDraft & { clientId: number }): Message => ({
    typeUrl: dydx.TYPE_URL_MSG_CANCEL_ORDER,
    value: dydx.MsgCancelOrder.fromPartial({ orderId: orderId(account, draft), ...lifetime(draft, paper) }),
  });

  const signed = async (messages: readonly Message[], options: SignOptions = {}): Promise<Uint8Array> => {
    const accountNumber = options.accountNumber ?? paperAccountNumber(account);
    const chainId = options.chainId ?? paper.chainId;
    const bytes = await wallet.signTransaction(
      messages as never,
      {
        sequence: options.sequence ?? 0,
        accountNumber,
        chainId,
        ...(options.authenticators ? { authenticators: options.authenticators.map(long) } : {}),
      } as never,
      { amount: [], gas: '1000000' } as never,
      options.memo ?? '',
    );
    if (options.timeoutHeight === undefined) return bytes;
    const body = Buffer.concat([
      bytesField(readFields(bytes), 1),
      writeNumber(3, BigInt(options.timeoutHeight)),
    ]);
    const signedParts = Buffer.concat([writeBytes(1, body), writeBytes(2, bytesField(readFields(bytes), 2))]);
    const document = Buffer.concat([
      signedParts,
      writeBytes(3, chainId),
      writeNumber(4, BigInt(accountNumber)),
    ]);
    return Buffer.concat([signedParts, writeBytes(3, sign(document, Buffer.from(key, 'hex')))]);
  };

  const send = async (messages: readonly Message[], options: SendOptions = {}): Promise<Answer> => {
    const answer = await broadcast(options.node ?? paper.url, await signed(messages, options));
    if (!answer.result) throw new Error(JSON.stringify(answer.error));
    return answer.result;
  };

  /** Stateful, so with a sequence of its own: the next one, which is taken only if the answer is code 0. */
  const sendStateful = async (messages: readonly Message[], options: SendOptions = {}): Promise<Answer> => {
    const sequence = options.sequence ?? nextSequence;
    const answer = await send(messages, { ...options, sequence });
    if (answer.code === 0 && options.sequence === undefined) nextSequence += 1;
    return answer;
  };

  const sendDraft = (message: Message, draft: OrderDraft, memo: string): Promise<Answer> => {
    const options = {
      memo,
      ...(draft.sequence === undefined ? {} : { sequence: draft.sequence }),
      ...(draft.node === undefined ? {} : { node: draft.node }),
      ...(draft.authenticators === undefined ? {} : { authenticators: draft.authenticators }),
    };
    return (draft.flags ?? 0) === 0 ? send([message], options) : sendStateful([message], options);
  };

  return {
    owner: account,
    wallet,
    placement,
    cancellation,
    signed,
    send,
    sendStateful,
    /** As the node's account query shows it. */
    async accountSequence(node = paper.url): Promise<number> {
      const request = writeBytes(1, account);
      const { value } = await abci(node, '/cosmos.auth.v1beta1.Query/Account', request);
      const fields = readFields(bytesField(readFields(Buffer.from(value ?? '', 'base64')), 1));
      return Number(numberField(readFields(bytesField(fields, 2)), 4));
    },
    uuid: (clientId: number, draft: OrderDraft = {}) =>
      orderUuid({
        owner: account,
        subaccountNumber: draft.subaccount ?? 0,
        clientId,
        clobPairId: draft.pair ?? 0,
        orderFlags: draft.flags ?? 0,
      }),
    /** Places and answers with the verdict and the order's uuid. */
    async place(draft: OrderDraft = {}, memo = '') {
      const clientId = draft.clientId ?? nextClientId++;
      const answer = await sendDraft(placement({ ...draft, clientId }), draft, memo);
      return { ...answer, clientId, id: this.uuid(clientId, draft) };
    },
    cancel: (clientId: number, goodTilBlock: number, draft: OrderDraft = {}) =>
      send([cancellation({ ...draft, clientId, goodTilBlock })], draft.node ? { node: draft.node } : {}),
    /** Its time is that of the order unless the draft says otherwise. */
    cancelStateful: (clientId: number, draft: OrderDraft = {}, memo = '') => {
      const stateful = { flags: LONG_TERM, ...draft };
      return sendDraft(cancellation({ ...stateful, clientId }), stateful, memo);
    },
    batchCancel: (goodTilBlock: number, lists: { clobPairId: number; clientIds: number[] }[]) =>
      send([
        {
          typeUrl: dydx.TYPE_URL_BATCH_CANCEL,
          value: dydx.MsgBatchCancel.fromPartial({
            subaccountId: { owner: account, number: 0 },
            shortTermCancels: lists,
            goodTilBlock,
          }),
        },
      ]),
  };
}

/** Stateful orders live by time, short-term orders by blocks. */
function lifetime(draft: OrderDraft, paper: Paper) {
  const isStateful = (draft.flags ?? 0) === LONG_TERM || draft.flags === CONDITIONAL;
  return isStateful || draft.goodTilBlockTime !== undefined
    ? { goodTilBlockTime: draft.goodTilBlockTime ?? inAnHour() }
    : { goodTilBlock: draft.goodTilBlock ?? paper.height() + 10 };
}

export type Trader = Awaited<ReturnType<typeof createTrader>>;
