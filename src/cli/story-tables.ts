// The rows that a story is made of, as tables: what changed, what was signed, what was cancelled, what was filled.
import type { ToldOrder } from '../store/order-story.ts';
import { short, time } from './output.ts';

type Table = readonly [title: string, rows: readonly (readonly string[])[]];

/** Each with its head as the first row. */
export function tablesOf(story: ToldOrder): readonly Table[] {
  return [
    ['history', historyRows(story)],
    ['attempts', attemptRows(story)],
    ['cancels', cancelRows(story)],
    ['fills', fillRows(story)],
  ];
}

function historyRows({ history }: ToldOrder) {
  return [
    ['time', 'from', 'to', 'filled', 'fill price', 'block', 'reason'],
    ...history.map((row) => [
      time(row.created_at),
      row.old_status ?? '-',
      row.new_status,
      short(row.filled_size),
      short(row.fill_price),
      row.block_height ?? '-',
      row.reason ?? '-',
    ]),
  ];
}

function attemptRows({ order, attempts }: ToldOrder) {
  const life = order.nonce === null ? 'good-til-block' : 'nonce';
  return [
    ['#', 'signed', life, 'sent', 'answer', 'on chain', 'tx hash'],
    ...attempts.map((row) => [
      String(row.attempt),
      time(row.created_at),
      String(row.good_til_block ?? row.nonce),
      `${row.transmissions}×`,
      answerOf(row),
      whereabouts(row),
      row.tx_hash,
    ]),
  ];
}

function cancelRows({ cancels }: ToldOrder) {
  return [
    ['signed', 'good-til-block or nonce', 'orders', 'answer', 'tx hash'],
    ...cancels.map((row) => [
      time(row.created_at),
      String(row.good_til_block ?? row.nonce),
      String(row.orders),
      answerOf(row),
      row.tx_hash,
    ]),
  ];
}

function fillRows({ fills }: ToldOrder) {
  return [
    ['block', 'size', 'price', 'fee', 'liquidity', 'fill id'],
    ...fills.map((row) => [
      row.height,
      short(row.size),
      short(row.price),
      short(row.fee),
      row.liquidity,
      row.id,
    ]),
  ];
}

function answerOf(row: { outcome: string | null; codespace: string | null; code: string | null }): string {
  return `${row.outcome ?? 'none'}${Number(row.code) > 0 ? ` ${row.codespace}/${row.code}` : ''}`;
}

/** Short-term transactions are never on chain. */
function whereabouts({
  nonce,
  included_height,
  included_code,
  absent_height,
}: ToldOrder['attempts'][number]): string {
  if (nonce === null) return '-';
  if (included_height !== null) return `block ${included_height}, code ${included_code}`;
  return absent_height === null ? 'not known' : `absent up to block ${absent_height}`;
}
