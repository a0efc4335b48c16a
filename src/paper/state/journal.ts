// Append-only JSONL under the data folder: a head line, then one fact per line, written (not fsynced) before the
// fact is visible. Survives kill -9; a last line torn by it is dropped with a warning. One journal belongs to one
// chain id and seed.
import { closeSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Fact, factSchema } from './facts.ts';

export type Log = (
  level: 'info' | 'warn' | 'error',
  message: string,
  fields?: Record<string, unknown>,
) => void;

export type Journal = {
  /** The facts of earlier runs, oldest first; handed out once, so that they are not kept twice. */
  readonly recover: () => readonly Fact[];
  readonly append: (fact: Fact) => void;
  readonly close: () => void;
};

/** 2 knows transactions and stateful orders; what 1 has to say it says in the same way. */
const VERSION = 2;
const READABLE_VERSIONS: readonly number[] = [1, VERSION];
const headSchema = z.object({
  t: z.literal('head'),
  version: z.number(),
  chain_id: z.string(),
  seed: z.number(),
});

export const NO_JOURNAL: Journal = { recover: () => [], append: () => {}, close: () => {} };

type Content = {
  readonly lines: readonly string[];
  readonly completeBytes: number;
  readonly isTorn: boolean;
};

/** A line counts only with its newline: what follows the last newline was torn by a crash. */
function readLines(path: string): Content {
  const bytes = readFileSync(path);
  const completeBytes = bytes.lastIndexOf(0x0a) + 1;
  const lines: string[] = [];
  for (let start = 0; start < completeBytes; ) {
    const end = bytes.indexOf(0x0a, start);
    lines.push(bytes.toString('utf8', start, end));
    start = end + 1;
  }
  return { lines, completeBytes, isTorn: completeBytes < bytes.length };
}

function parseLine<T>(schema: z.ZodType<T>, line: string, path: string, number: number): T {
  try {
    return schema.parse(JSON.parse(line));
  } catch (cause) {
    throw new Error(
      `${path}:${number} is no line of a paper exchange journal; move the file away to start anew`,
      {
        cause,
      },
    );
  }
}

function checkHead(line: string, path: string, chainId: string, seed: number): void {
  const head = parseLine(headSchema, line, path, 1);
  if (!READABLE_VERSIONS.includes(head.version)) {
    throw new Error(
      `${path} has journal version ${head.version}, this program reads ${VERSION}; use another --data-dir`,
    );
  }
  if (head.chain_id !== chainId || head.seed !== seed) {
    throw new Error(
      `${path} belongs to chain ${head.chain_id} with seed ${head.seed}, not to ${chainId} with seed ${seed}; ` +
        'use another --data-dir or the same chain id and seed',
    );
  }
}

export function openJournal(dataDir: string, chainId: string, seed: number, log: Log): Journal {
  mkdirSync(dataDir, { recursive: true });
  const path = join(dataDir, 'paper-journal.jsonl');
  const content: Content = existsSync(path)
    ? readLines(path)
    : { lines: [], completeBytes: 0, isTorn: false };
  const [head, ...rest] = content.lines;
  if (head !== undefined) checkHead(head, path, chainId, seed);
  let recovered = rest.map((line, index) => parseLine(factSchema, line, path, index + 2));

  const descriptor = openSync(path, 'a');
  if (content.isTorn) {
    log('warn', 'paper journal: torn last line dropped', { path, kept_bytes: content.completeBytes });
    ftruncateSync(descriptor, content.completeBytes);
  }
  const write = (line: unknown): void => {
    const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(descriptor, bytes, offset);
  };
  if (head === undefined) write({ t: 'head', version: VERSION, chain_id: chainId, seed });
  const recover = (): readonly Fact[] => {
    const facts = recovered;
    recovered = [];
    return facts;
  };
  return { recover, append: write, close: () => closeSync(descriptor) };
}
