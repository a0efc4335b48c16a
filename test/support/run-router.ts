// The real command line and the real workers as processes that end by themselves: what they said and how they ended.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bareEnvironment } from './child-environment.ts';

const ROOT = join(import.meta.dirname, '..', '..');
/** Half a minute on a machine that does much else. */
const MAX_MS = 45_000;

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/**
 * @param words e.g. `src/cli.ts migrate` @param settings all that it knows of its environment @param maxMs then it is ended
 * @param interrupt sends it a Ctrl-C
 */
export async function runProcess(
  words: readonly string[],
  settings: Readonly<Record<string, string>>,
  maxMs = MAX_MS,
  interrupt?: AbortSignal,
): Promise<Ended> {
  const [script = '', ...args] = words;
  const child = spawn(process.execPath, [join(ROOT, script), ...args], {
    env: { ...bareEnvironment(), ...settings },
    // No .env of a developer there.
    cwd: tmpdir(),
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: maxMs,
  });
  interrupt?.addEventListener('abort', () => child.kill('SIGINT'));
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].on('data', (chunk) => {
      said[stream] += chunk;
    });
  }
  const [code] = await once(child, 'close');
  return { code, ...said };
}

/** `router …` on this database. */
export function runRouter(url: string, ...args: readonly string[]): Promise<Ended> {
  return runProcess(['src/cli.ts', ...args], { DATABASE_URL: url });
}
