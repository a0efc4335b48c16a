// Which of several nodes are asked, and in which order. PURE: what was seen of each → judgement. A node that is behind,
// catching up, silent or on another chain is asked for nothing while another one is fine.
import type { Block } from '../core/ports.ts';
import type { NodeStatus } from './node-status.ts';

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

/** @param chainId on which all of them were when they were last compared; undefined: never yet */
export function whyUnhealthy(node: SeenNode, chainId: string | undefined): string | undefined {
  const { host, status, failure, newestWhenAsked } = node;
  if (failure !== undefined) return failure;
  // Nobody has asked it yet: nothing speaks against it.
  if (status === undefined) return undefined;
  if (chainId !== undefined && status.chainId !== chainId) return `${host} is on chain ${status.chainId}`;
  if (status.isCatchingUp) return `${host} is catching up`;
  const behind = (newestWhenAsked?.height ?? 0) - status.block.height;
  return behind > MAX_BEHIND_BLOCKS ? `${host} is ${behind} blocks behind` : undefined;
}

/**
 * The newest block that a node tells which answers and follows. Later blocks have later times: of two nodes that
 * contradict each other in this, the one with the later time is believed. One that is alone ahead is believed as if it
 * were the only one: whoever uses the height must bear a wrong one anyway.
 */
export function newestBlock(nodes: readonly SeenNode[], chainId: string | undefined): Block | undefined {
  return nodes
    .filter(({ failure }) => failure === undefined)
    .flatMap(({ status }) => status ?? [])
    .filter((status) => !status.isCatchingUp && (chainId === undefined || status.chainId === chainId))
    .map(({ block }) => block)
    .toSorted((one, other) => other.time.getTime() - one.time.getTime() || other.height - one.height)[0];
}

/** Healthy ones, fastest first; when there is none all of them, the one with the newest block first. */
export function rankNodes<Node extends SeenNode>(
  nodes: readonly Node[],
  chainId: string | undefined,
): readonly Node[] {
  const healthy = nodes.filter((node) => whyUnhealthy(node, chainId) === undefined);
  if (healthy.length > 0) return healthy.toSorted((one, other) => speedClass(one) - speedClass(other));
  return nodes.toSorted((one, other) => heightOf(other) - heightOf(one));
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

function heightOf({ status }: SeenNode): number {
  return status?.block.height ?? 0;
}
