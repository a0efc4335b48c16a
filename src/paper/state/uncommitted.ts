// What transactions that are in no block yet would do to the state: a node's view of its mempool on top of its last
// block, or the block that is being built on top of the last one. Thrown away with every block.

import type { PlaceOrder } from '../wire/message.ts';
import type { Registry } from './authenticators.ts';
import type { Replay } from './replay.ts';

export type Uncommitted = {
  /** replay protection by owner */
  readonly accounts: Map<string, Replay>;
  /** by order uuid */
  readonly placed: Map<string, PlaceOrder>;
  readonly cancelled: Set<string>;
  /** of a block; a node looks at the state's own */
  authenticators: Registry;
  /** what this block's operations took out of state; empty in a node's view */
  readonly removed: ReadonlySet<string>;
};

export function createUncommitted(
  authenticators: Registry,
  removed: ReadonlySet<string> = new Set(),
): Uncommitted {
  return { accounts: new Map(), placed: new Map(), cancelled: new Set(), authenticators, removed };
}

/** For a transaction of which all messages count, or none. */
export function copyUncommitted(view: Uncommitted): Uncommitted {
  return {
    accounts: new Map(view.accounts),
    placed: new Map(view.placed),
    cancelled: new Set(view.cancelled),
    authenticators: view.authenticators,
    removed: view.removed,
  };
}
