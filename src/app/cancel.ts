// Carries cancels to the venue. That of a short-term order is a fence: its node takes the order no more. No answer
// to it ends an order; the reconciler does, when it is proven dead. Bytes are stored before they leave.
import { type CancelVerdict, judgeCancel } from '../core/cancel-answers.ts';
import { goodTilSeconds, type SignedContent, signedId } from '../core/plan.ts';
import { type Block, MAX_BATCH_CANCELS, type SignedTx, type Signer } from '../core/ports.ts';
import { backoff } from '../core/retry.ts';
import { VENUE_WINDOW_BLOCKS } from '../core/wake.ts';
import type { CancelOutcome, NewCancel } from '../store/cancels.ts';
import type { ClaimedOrder } from '../store/due-orders.ts';
import { laterForRate, takeStamp } from './first-attempt.ts';
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

/** Points of the block rate limit. */
const POINTS = { single: 1, batch: 2 };

/** A signed short-term order. */
export type Fenceable = ClaimedOrder & { readonly content: SignedContent; readonly goodTilBlock: number };

/** A signed short-term order that is to be cancelled and may still be taken by a node. */
export function needsFence(order: ClaimedOrder, height: number): order is Fenceable {
  if (!order.isCancelRequested || order.nonce !== null) return false;
  return order.content !== null && order.goodTilBlock !== null && order.goodTilBlock > height;
}

/** Those of one subaccount share a transaction. */
export function groupFences(orders: readonly Fenceable[]): readonly (readonly Fenceable[])[] {
  const bySubaccount = Map.groupBy(orders, ({ tenantId, account, content, subaccountNumber }) =>
    JSON.stringify([tenantId, account, content.owner, subaccountNumber]),
  );
  return [...bySubaccount.values()].flatMap((group) =>
    Array.from({ length: Math.ceil(group.length / MAX_BATCH_CANCELS) }, (_, index) =>
      group.slice(index * MAX_BATCH_CANCELS, (index + 1) * MAX_BATCH_CANCELS),
    ),
  );
}

/** @param orders of one subaccount, at most 100 */
export async function fence(deps: WakeDeps, orders: readonly Fenceable[]): Promise<Next> {
  const [first] = orders;
  const block = deps.block();
  if (first === undefined || block === undefined) return { kind: 'blind' };
  const signer = signerOf(deps, first);
  if (signer === undefined) return { kind: 'later', delayMs: deps.statefulWatchMs };
  const retries = Math.max(...orders.map((order) => order.cancelCount));
  const retry: Next = { kind: 'later', delayMs: backoff(retries, deps.random()) };
  // The attempt rule signs nothing for an order that is to be cancelled: this block is its last. A fence that is sent
  // once more ends a block later, for a node swallows bytes that it has seen.
  const last = Math.max(...orders.map((order) => order.goodTilBlock));
  const goodTilBlock = Math.min(last + retries, block.height + VENUE_WINDOW_BLOCKS);
  if (goodTilBlock < last) return retry;
  const isOne = orders.length === 1;
  if (!(await deps.gate.takeRate(signer.owner, 'cancel', isOne ? POINTS.single : POINTS.batch))) {
    return laterForRate(deps, signer.owner, 'cancel');
  }
  const tx = isOne
    ? await signer.signCancel({ id: signedId(first.content), goodTilBlock })
    : await signer.signBatchCancel(batchOf(orders, signer, goodTilBlock));
  const { outcome } = await sendCancel(deps, orders, tx, { goodTilBlock, nonce: undefined });
  return outcome === 'doubt' || outcome === 'deferred' ? retry : { kind: 'await_proof' };
}

/** Of the account that placed the order: it may have been taken out of the settings, or have another key now. */
function signerOf(deps: WakeDeps, { id, account, tenantId, content }: ClaimedOrder): Signer | undefined {
  const signer = deps.signer(account, tenantId);
  if (signer !== undefined && signer.owner === content?.owner) return signer;
  deps.log.error({ order_id: id, account, tenant_id: tenantId }, 'no key to cancel this order with');
  return undefined;
}

function batchOf(orders: readonly Fenceable[], { owner }: Signer, goodTilBlock: number) {
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
/** From the first one that was not taken: about a block, in which the node may see the placement. */
const REFUSED_AGAIN = { baseMs: 1_000, capMs: 60_000 };

/** A transaction of its own for each: one that fails takes the others of its transaction with it. */
export async function cancelStateful(deps: WakeDeps, order: ClaimedOrder, block: Block): Promise<void> {
  const { content } = order;
  const goodTilBlockTime = goodTilSeconds(order.goodTilTime);
  if (content === null || goodTilBlockTime === undefined) return;
  const latest = (await deps.latestCancels([order.id])).get(order.id);
  const refusedAgainMs = Math.min(
    REFUSED_AGAIN.capMs,
    REFUSED_AGAIN.baseMs * 2 ** Math.min(order.cancelCount, 10),
  );
  const againMs = latest?.outcome === 'deferred' ? refusedAgainMs : Math.max(TAKEN_AGAIN_MS, refusedAgainMs);
  if (latest !== undefined && latest.ageMs < againMs) return;
  const signer = signerOf(deps, order);
  if (signer === undefined) return;
  const stamp = await takeStamp(deps, signer.owner, block.time, 'cancel', order.cancelCount + 1);
  if (stamp === undefined) return;
  const tx = await signer.signCancel({ id: signedId(content), goodTilBlockTime }, stamp);
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
