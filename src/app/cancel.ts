// Carries cancels to the venue. A cancel is a fence: it keeps the node that took it from taking the order later. No answer
// to it ends an order; the reconciler does, when it is proven dead. Bytes are stored before they leave.
import { type CancelVerdict, judgeCancel } from '../core/cancel-answers.ts';
import { goodTilSeconds, type SignedContent, signedId } from '../core/plan.ts';
import type { Block, SignedTx, Signer } from '../core/ports.ts';
import { backoff } from '../core/retry.ts';
import type { CancelOutcome, NewCancel } from '../store/cancels.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import { laterForRate, memoOf, takeStamp } from './first-attempt.ts';
import type { Next, WakeDeps } from './wake.ts';

export type CancelDeps = {
  /** false: these bytes were stored before */
  readonly storeCancel: (cancel: NewCancel) => Promise<boolean>;
  readonly recordCancelOutcome: (answer: CancelOutcome) => Promise<void>;
  /** by order id */
  readonly latestCancels: (
    orderIds: readonly string[],
  ) => Promise<ReadonlyMap<string, { readonly outcome: string | null; readonly ageMs: number }>>;
};

/** MsgBatchCancel takes so many client ids. Source: v4-chain x/clob/types/constants.go. */
const MAX_BATCH = 100;
/** A good-til-block may be so far ahead (41 by a node that is not behind). */
const VENUE_WINDOW_BLOCKS = 40;
/** Points of the block rate limit. */
const POINTS = { single: 1, batch: 2 };

type Fenced = { readonly orders: readonly ClaimedOrder[]; readonly next: Next };
type Signed = ClaimedOrder & { readonly content: SignedContent; readonly goodTilBlock: number };

/** Fences signed short-term orders, those of one subaccount by one transaction. @returns what is next for each */
export async function fence(deps: WakeDeps, orders: readonly ClaimedOrder[]): Promise<readonly Fenced[]> {
  const block = deps.block();
  const groups = Map.groupBy(
    orders.filter(isSigned),
    (order) => `${order.account}/${order.subaccountNumber}`,
  );
  const works: Promise<Fenced>[] = [];
  for (const group of groups.values()) {
    for (let start = 0; start < group.length; start += MAX_BATCH) {
      works.push(fenceGroup(deps, group.slice(start, start + MAX_BATCH), block));
    }
  }
  return Promise.all(works);
}

function isSigned(order: ClaimedOrder): order is Signed {
  return order.content !== null && order.goodTilBlock !== null;
}

async function fenceGroup(
  deps: WakeDeps,
  orders: readonly Signed[],
  block: Block | undefined,
): Promise<Fenced> {
  const [first] = orders;
  const signer = first === undefined ? undefined : deps.signer(first.account, first.tenantId);
  const retries = Math.max(...orders.map((order) => order.cancelCount));
  const retry: Fenced = { orders, next: { kind: 'later', delayMs: backoff(retries, deps.random()) } };
  if (first === undefined || signer === undefined || block === undefined) return retry;
  // The attempt rule signs nothing for an order that is to be cancelled: this block is its last. A fence that is sent
  // once more ends a block later, for a node swallows bytes that it has seen.
  const last = Math.max(...orders.map((order) => order.goodTilBlock));
  const goodTilBlock = Math.min(last + retries, block.height + VENUE_WINDOW_BLOCKS);
  if (goodTilBlock < last) return retry;
  if (goodTilBlock <= block.height) return { orders, next: { kind: 'await_proof' } };
  const isOne = orders.length === 1;
  if (!(await deps.gate.takeRate(signer.owner, 'cancel', isOne ? POINTS.single : POINTS.batch))) {
    return { orders, next: laterForRate(deps) };
  }
  const tx = isOne
    ? await signer.signCancel({ id: signedId(first.content), goodTilBlock })
    : await signer.signBatchCancel(batchOf(orders, signer, goodTilBlock));
  const verdict = await sendCancel(deps, orders, tx, { goodTilBlock, nonce: undefined });
  const isDone = verdict.outcome !== 'doubt' && verdict.outcome !== 'deferred';
  return isDone ? { orders, next: { kind: 'await_proof' } } : retry;
}

function batchOf(orders: readonly Signed[], { owner }: Signer, goodTilBlock: number) {
  const byPair = Map.groupBy(orders, ({ content }) => content.clobPairId);
  return {
    owner,
    subaccountNumber: orders[0]?.subaccountNumber ?? 0,
    goodTilBlock,
    lists: [...byPair].map(([clobPairId, group]) => ({
      clobPairId,
      clientIds: group.map(({ content }) => content.clientId),
    })),
  };
}

/** One that was taken is sent again when the order still lives so much later: it has failed in its block. */
const TAKEN_AGAIN_MS = 10_000;
/** One that was refused for now: about a block, in which the node may see the placement. */
const REFUSED_AGAIN_MS = 1_000;

/** A transaction of its own for each: one that fails takes the others of its transaction with it. */
export async function cancelStateful(deps: WakeDeps, order: ClaimedOrder, block: Block): Promise<void> {
  const { content } = order;
  const signer = deps.signer(order.account, order.tenantId);
  const goodTilBlockTime = goodTilSeconds(order.goodTilTime);
  if (content === null || signer === undefined || goodTilBlockTime === undefined) return;
  const latest = (await deps.latestCancels([order.id])).get(order.id);
  const againMs = latest?.outcome === 'deferred' ? REFUSED_AGAIN_MS : TAKEN_AGAIN_MS;
  if (latest !== undefined && latest.ageMs < againMs) return;
  const stamp = await takeStamp(deps, signer.owner, block.time, 1);
  if (stamp === undefined) return;
  const tx = await signer.signCancel(
    { id: signedId(content), goodTilBlockTime },
    { ...stamp, memo: memoOf(order.cancelCount + 1) },
  );
  const { outcome } = await sendCancel(deps, [order], tx, { goodTilBlock: undefined, nonce: stamp.nonce });
  // These bytes left once and no node has kept them: the nonce is in doubt no more.
  if (outcome === 'deferred' || outcome === 'refused') await deps.settleNonce(signer.owner, stamp.nonce);
}

async function sendCancel(
  deps: WakeDeps,
  orders: readonly ClaimedOrder[],
  tx: SignedTx,
  end: Pick<NewCancel, 'goodTilBlock' | 'nonce'>,
): Promise<CancelVerdict> {
  const [first] = orders;
  const owner = first?.content?.owner ?? '';
  const orderIds = orders.map((order) => order.id);
  const isNew = await deps.storeCancel({ tenantId: first?.tenantId ?? '', owner, orderIds, ...end, tx });
  if (!isNew) return { outcome: 'deferred', codespace: null, code: null, log: 'sent by another worker' };
  const answer = await deps.validator.broadcast(tx.bytes, undefined, first?.cancelCount ?? 0);
  const verdict = judgeCancel(answer);
  deps.telemetry.cancelAnswered(verdict.outcome);
  await deps.recordCancelOutcome({ txHash: tx.hash, ...verdict, answeredAt: deps.now() });
  const fields = { order_ids: orderIds.slice(0, 5), orders: orderIds.length, tx_hash: tx.hash, ...verdict };
  if (verdict.outcome === 'accepted' || verdict.outcome === 'known')
    deps.log.debug(fields, 'cancel answered');
  else deps.log.warn(fields, 'cancel unsettled');
  return verdict;
}
