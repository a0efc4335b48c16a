// How fast the chain makes blocks, measured by its own clock over the heights that this process sees. No I/O, and no
// clock of ours: one that is set changes nothing.
import { blockMsBetween } from '../core/block-rate.ts';
import type { Block } from '../core/ports.ts';

export type BlockPace = {
  /** The newest block and what one takes; undefined while the height is not known. */
  readonly look: () => { readonly height: number; readonly blockMs: number } | undefined;
};

/** Measured over this many to twice as many. Low: one slow block counts for much; high: a chain that slows down is noticed late. */
const SPAN_BLOCKS = 50;

export function createBlockPace(current: () => Block | undefined): BlockPace {
  let older: Block | undefined;
  let newer: Block | undefined;
  return {
    look: () => {
      const block = current();
      if (block === undefined) return undefined;
      // A height that was wrong may be replaced by a lower one.
      if (newer === undefined || block.height < newer.height) [older, newer] = [block, block];
      if (block.height >= newer.height + SPAN_BLOCKS) [older, newer] = [newer, block];
      return { height: block.height, blockMs: blockMsBetween(older ?? newer, block) };
    },
  };
}
