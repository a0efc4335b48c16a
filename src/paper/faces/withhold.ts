// Fills that the indexer has not written yet although its height is past them. What is withheld leaves the list and
// comes back at its place by event, as a late row does: so between two reads an ascending page can shift by a row.
import type { PaperFill } from '../state/ledger.ts';
import { noise } from '../synthetic.ts';
import type { FaultOn } from './fault-schema.ts';

type Clock = { readonly seed: number; readonly height: number; readonly nowMs: number };

/** Undefined when nothing is withheld. */
export function withholding(
  fault: FaultOn<'indexer'> | undefined,
  { seed, height, nowMs }: Clock,
): ((fill: PaperFill) => boolean) | undefined {
  if (fault?.action !== 'withhold_fills') return undefined;
  const { blocks, ms, order_id: orderId, share = 1 } = fault.params ?? {};
  return (fill) => {
    if (orderId !== undefined && fill.order.id !== orderId) return false;
    const isNew =
      (blocks !== undefined && fill.height > height - blocks) ||
      (ms !== undefined && fill.timeMs > nowMs - ms);
    // By the fill's own id: the same fill is late in every answer until its time is over.
    return isNew && noise(seed, 7002, Number.parseInt(fill.id.slice(0, 8), 16)) < share;
  };
}
