// Answers of the indexer that parse and are wrong: rows twice, rows in another order, numbers where texts belong.
import { noise } from '../synthetic.ts';

type Rows = readonly unknown[];

/** The rows of a list are the body itself (orders) or its `fills`; whatever is no list stays as it is. */
function changeRows(body: unknown, change: (rows: Rows) => Rows): unknown {
  if (Array.isArray(body)) return change(body);
  if (typeof body !== 'object' || body === null || !('fills' in body) || !Array.isArray(body.fills))
    return body;
  return { ...body, fills: change(body.fills) };
}

/** Each row twice; totals and offsets stay, so nothing that belongs on the page is cut off. */
export function duplicateRows(body: unknown): unknown {
  return changeRows(body, (rows) => rows.flatMap((row) => [row, row]));
}

/** The same rows, never in the order in which they belong if there are two. */
export function shuffleRows(body: unknown, seed: number): unknown {
  return changeRows(body, (rows) => {
    if (rows.length < 2) return rows;
    const sorted = rows
      .map((row, index) => ({ row, index, rank: noise(seed, 7003, index, rows.length) }))
      .sort((left, right) => left.rank - right.rank);
    if (sorted.some(({ index }, place) => index !== place)) return sorted.map(({ row }) => row);
    return rows.toReversed();
  });
}

/** Numeric texts become numbers and numbers texts, at any depth. */
export function swapTypes(value: unknown): unknown {
  if (typeof value === 'number') return String(value);
  if (typeof value === 'string')
    return value !== '' && Number.isFinite(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return value.map(swapTypes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, swapTypes(each)]));
}
