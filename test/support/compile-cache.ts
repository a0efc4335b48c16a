// The compile cache of a run: it halves the second of CPU that a worker process takes to start.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const WORKER = join(import.meta.dirname, '..', '..', 'workers', 'submitter.ts');

export async function startCompileCache(): Promise<{ readonly folder: string; readonly remove: () => void }> {
  const folder = mkdtempSync(join(tmpdir(), 'router-compiled-'));
  const env = { PATH: process.env['PATH'], NODE_COMPILE_CACHE: folder };
  // Node fills it when a process ends by itself, and most of ours are killed. This one ends for want of a database.
  await new Promise<void>((done) => {
    execFile(process.execPath, [WORKER], { cwd: folder, env }, () => done());
  });
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 10 }) };
}
