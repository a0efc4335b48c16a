// Whether a dump is still what was written, and lists what it should hold.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Readable } from 'node:stream';
import type { TableSums } from '../store/snapshot.ts';
import { type ClientTools, runTool } from './client-tools.ts';
import { readSidecar, type Sidecar } from './folder.ts';

/** Its own list of what is in it, as pg_restore --list prints it, one line an object. */
export async function listOf(tools: ClientTools, file: string, signal: AbortSignal): Promise<string[]> {
  let text = '';
  const read = async (stdout: Readable) => {
    for await (const chunk of stdout) text += chunk;
  };
  await runTool({ program: tools.pathOf('pg_restore'), args: ['--list', file], signal, read });
  return text.split('\n').filter((line) => line !== '' && !line.startsWith(';'));
}

/** Throws when the data of a table is not in its list. */
export async function requireListed(
  tools: ClientTools,
  file: string,
  tables: TableSums,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const lines = await listOf(tools, file, signal);
  const missing = Object.keys(tables).filter((table) => {
    const [schema, ...name] = table.split('.');
    return !lines.some((line) => line.includes(` TABLE DATA ${schema} ${name.join('.')} `));
  });
  if (missing.length > 0) throw new Error(`${basename(file)} lacks the rows of ${missing.join(', ')}`);
  return lines;
}

/** @returns undefined: there is no sidecar, so that nobody knows what it should be @throws when it is not what was written */
export async function requireWhole(file: string, signal: AbortSignal): Promise<Sidecar | undefined> {
  const sidecar = readSidecar(file);
  if (sidecar === undefined) return undefined;
  const bytes = statSync(file).size;
  if (bytes !== sidecar.bytes)
    throw new Error(`${basename(file)} is damaged: it has ${bytes} bytes, ${sidecar.bytes} were written`);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file, { signal })) hash.update(chunk);
  if (hash.digest('hex') !== sidecar.sha256)
    throw new Error(`${basename(file)} is damaged: its sha256 is not that of what was written`);
  return sidecar;
}
