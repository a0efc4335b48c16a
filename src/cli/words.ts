// Words that sentences about an order share.
import { time } from './output.ts';

/** "1 fill", "3 fills" */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

export function moment(date: Date | null): string {
  return date === null ? 'a time that is not known' : `${time(date)} UTC`;
}

/** "block 110", "blocks 105–110" */
export function blocks(heights: readonly number[]): string {
  const [first, last] = [Math.min(...heights), Math.max(...heights)];
  return first === last ? `block ${first}` : `blocks ${first}–${last}`;
}

/** A code with the words of whoever refused: `clob/2003 "post-only would cross"`. */
export function refusal({ codespace, code, log }: { codespace: string; code: number | string; log: string }) {
  return `${codespace}/${code}${log === '' ? '' : ` "${log}"`}`;
}

/** When the order came into the status that it has. */
export function statusSince(
  history: readonly { old_status: string | null; new_status: string; created_at: Date }[],
): Date | null {
  return history.findLast((row) => row.old_status !== row.new_status)?.created_at ?? null;
}
