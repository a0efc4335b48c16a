// From a file of intents to the router, in chunks, with what became of every line.
import { v7 as uuidv7 } from 'uuid';
import { rejectionOf } from '../app/submit.ts';
import type { Enqueued, RouterClient } from '../client.ts';
import type { Refusal } from '../core/intent.ts';
import type { Database } from '../store/database.ts';
import { recordRejections } from '../store/rejections.ts';
import { readLines } from './jsonl.ts';

export type Taken = { readonly line: number } & Enqueued;

const CHUNK = 500;

/** @param onTaken is called for every line as soon as it is known */
export async function takeIn(
  client: RouterClient,
  db: Database,
  file: string,
  until: 'queued' | 'recorded',
  onTaken: (taken: Taken) => void,
): Promise<void> {
  const run = `file:${uuidv7()}`;
  let chunk: { readonly line: number; readonly value: unknown }[] = [];
  const flush = async (): Promise<void> => {
    if (chunk.length === 0) return;
    const part = chunk;
    chunk = [];
    const source = `${run}-${part[0]?.line}`;
    const results = await client.enqueue(
      part.map(({ value }) => value),
      { until, source },
    );
    results.forEach((result, index) => {
      onTaken({ line: part[index]?.line ?? 0, ...result });
    });
  };
  for await (const line of readLines(file)) {
    if (line.ok) {
      chunk.push({ line: line.number, value: line.value });
      if (chunk.length >= CHUNK) await flush();
    } else {
      await recordRejections(db, [rejectionOf(undefined, `${run}#${line.number}`, [line.refusal])]);
      onTaken({ line: line.number, client_id: undefined, outcome: 'invalid', refusals: [line.refusal] });
    }
  }
  await flush();
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
