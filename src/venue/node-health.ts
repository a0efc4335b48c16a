// Which of several nodes are asked, and in which order. PURE: what was seen of each → judgement. A node that is behind,
// catching up, silent or ahead of the clock is asked for nothing while another one is fine; one of another chain never.
import type { Block } from '../core/ports.ts';
import type { NodeStatus } from './node-status.ts';
import { whyFromFuture, whyNoWitness } from './witness.ts';

/** What is known of one node. */
export type SeenNode = {
  readonly host: string;
  /** its newest answer; undefined: it has not answered yet */
  readonly status: NodeStatus | undefined;
  /** why its newest question has no answer; undefined: it has one, or was never asked */
  readonly failure: string | undefined;
  /** what was the newest block of all when it was asked: its answer cannot be older than that and current */
  readonly newestWhenAsked: Block | undefined;
  /** round trip of its answers, smoothed */
  readonly latencyMs: number | undefined;
};

/** Too low: nodes take turns being behind, a block reaches them within a second. Too high: signed for an old height. */
const MAX_BEHIND_BLOCKS = 2;

/** What the statuses are held against. */
export type Expected = {
  /** that is configured */
  readonly chainId: string;
  /** local clock, unix ms */
  readonly nowMs: number;
};

export function whyUnhealthy(node: SeenNode, { chainId, nowMs }: Expected): string | undefined {
  const { host, status, failure, newestWhenAsked } = node;
  if (failure !== undefined) return failure;
  // Nobody has asked it yet: nothing speaks against it.
  if (status === undefined) return undefined;
  const why = whyNoWitness(host, status, chainId, nowMs);
  if (why !== undefined) return why;
  const behind = (newestWhenAsked?.height ?? 0) - status.block.height;
  return behind > MAX_BEHIND_BLOCKS ? `${host} is ${behind} blocks behind` : undefined;
}

/**
 * The newest block that a node tells whose word counts. Later blocks have later times: of two nodes that contradict each
 * other in this, the one with the later time is believed, unless that time has not come yet. One that is alone ahead is
 * believed as if it were the only one: whoever uses the height must bear a wrong one anyway.
 */
export function newestBlock(nodes: readonly SeenNode[], expected: Expected): Block | undefined {
  return nodes
    .filter((node) => node.failure === undefined && isWitness(node, expected))
    .flatMap(({ status }) => status?.block ?? [])
    .toSorted((one, other) => other.time.getTime() - one.time.getTime() || other.height - one.height)[0];
}

/**
 * Healthy ones, fastest first; when there is none all that were not seen on another chain, the one with the newest block
 * that can be believed first.
 */
export function rankNodes<Node extends SeenNode>(
  nodes: readonly Node[],
  expected: Expected,
): readonly Node[] {
  const healthy = nodes.filter((node) => whyUnhealthy(node, expected) === undefined);
  if (healthy.length > 0) return healthy.toSorted((one, other) => speedClass(one) - speedClass(other));
  return nodes
    .filter(({ status }) => status === undefined || status.chainId === expected.chainId)
    .toSorted((one, other) => heightOf(other, expected) - heightOf(one, expected));
}

/** What a busy machine adds to a round trip now and then. */
const NOISE_MS = 16;

/**
 * Nodes within a factor of two are equally fast and stay in the order in which they are configured: if the order
 * flickered, the next turn of the same bytes could be the same node again.
 */
function speedClass({ latencyMs = 0 }: SeenNode): number {
  return Math.round(Math.log2(1 + latencyMs / NOISE_MS));
}

function heightOf({ status }: SeenNode, { nowMs }: Expected): number {
  return status === undefined || whyFromFuture(status.block.time, nowMs) !== undefined
    ? 0
    : status.block.height;
}

function isWitness({ host, status }: SeenNode, { chainId, nowMs }: Expected): boolean {
  return status !== undefined && whyNoWitness(host, status, chainId, nowMs) === undefined;
}
