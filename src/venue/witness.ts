// Whose word about the chain counts. PURE: a status and the local clock → why it does not. A node of another network,
// one that still syncs, or one whose newest block lies in the future proves nothing: neither a height nor an absence.
import type { NodeStatus } from './node-status.ts';

/**
 * A block's time is the median of the validators' clocks one block earlier (BFT time), so it lies in the past: what is
 * further ahead is an invented block, or this clock is behind. Too low: a clock that drifts stops submission. Too high:
 * an invented block outranks real ones. Not above the clock skew that src/runtime/health.ts bears.
 */
const MAX_AHEAD_MS = 5_000;

/** Completes "the newest block is …"; undefined: its time can be believed. @param nowMs the local clock, unix ms */
export function whyFromFuture(blockTime: Date, nowMs: number): string | undefined {
  const aheadMs = blockTime.getTime() - nowMs;
  if (aheadMs <= MAX_AHEAD_MS) return undefined;
  return `${(aheadMs / 1000).toFixed(1)} s in the future: this clock is behind (check chrony, systemd-timesyncd), or the validator tells a wrong time`;
}

/** @param chainId that is configured. undefined: its word counts */
export function whyNoWitness(
  host: string,
  status: NodeStatus,
  chainId: string,
  nowMs: number,
): string | undefined {
  if (status.chainId !== chainId) return `${host} is on chain ${status.chainId}, not ${chainId}`;
  if (status.isCatchingUp) return `${host} is catching up: it does not know the newest blocks`;
  const future = whyFromFuture(status.block.time, nowMs);
  return future === undefined ? undefined : `the newest block of ${host} is ${future}`;
}
