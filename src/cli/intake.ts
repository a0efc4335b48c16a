// From a file of intents to the router, in chunks, with what became of every line.
import { v7 as uuidv7 } from 'uuid';
import { rejectionOf } from '../app/submit.ts';
import type { Enqueued, RouterClient } from '../client.ts';
import type { Refusal } from '../core/intent.ts';
import type { Database } from '../store/database.ts';
import { recordRejections } from '../store/rejections.ts';
import { type Line, readLines } from './jsonl.ts';

export type Taken = { readonly line: number } & Enqueued;

const CHUNK = 500;

/**
 * What one read brings is handed on at once: a producer that writes a line now and then waits for no other.
 *
 * @param onTaken is called for every line as soon as it is known
 * @param signal breaks off: nothing more is read, and its reason or an AbortError is thrown
 */
export async function takeIn(
  client: RouterClient,
  db: Database,
  file: string,
  until: 'queued' | 'recorded',
  onTaken: (taken: Taken) => void,
  signal?: AbortSignal,
): Promise<void> {
  const run = `file:${uuidv7()}`;
  for await (const lines of readLines(file, signal)) {
    for (let start = 0; start < lines.length; start += CHUNK) {
      signal?.throwIfAborted();
      for (const taken of await takeChunk(client, db, lines.slice(start, start + CHUNK), until, run)) {
        onTaken(taken);
      }
    }
  }
}

async function takeChunk(
  client: RouterClient,
  db: Database,
  lines: readonly Line[],
  until: 'queued' | 'recorded',
  run: string,
): Promise<Taken[]> {
  const unreadable = lines.filter((line) => !line.ok);
  const readable = lines.filter((line) => line.ok);
  await recordRejections(
    db,
    unreadable.map(({ number, refusal }) => rejectionOf(undefined, `${run}#${number}`, [refusal])),
  );
  const results = await client.enqueue(
    readable.map(({ value }) => value),
    { until, source: `${run}-${lines[0]?.number}` },
  );
  const taken: Taken[] = unreadable.map(({ number, refusal }) => ({
    line: number,
    client_id: undefined,
    outcome: 'invalid',
    refusals: [refusal],
  }));
  results.forEach((result, index) => {
    taken.push({ line: readable[index]?.number ?? 0, ...result });
  });
  return taken.sort((a, b) => a.line - b.line);
}

export function describeRefusals(refusals: readonly Refusal[]): string {
  return refusals
    .map(
      ({ field, code, reason }) =>
        `${field === '' ? '' : `${field}: `}${reason}${code === 'schema' ? '' : ` (${code})`}`,
    )
    .join('; ');
}

/** `refused line 3 my-order: size: …` */
export function describeRefused(taken: Extract<Taken, { readonly refusals: unknown }>): string {
  const name = taken.client_id === undefined ? '' : ` ${taken.client_id}`;
  return `refused line ${taken.line}${name}: ${describeRefusals(taken.refusals)}`;
}
