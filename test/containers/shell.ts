// Commands of the container test: run to the end, output kept, an error that shows the last lines of it.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = join(import.meta.dirname, '..', '..');

export type Environment = Readonly<Record<string, string | undefined>>;
type Finished = { readonly code: number; readonly stdout: string; readonly stderr: string };
export type Run = (
  command: readonly string[],
  options?: { readonly codes?: readonly number[]; readonly env?: Environment },
) => Promise<Finished>;

/**
 * @param signalOf is asked at every start for what kills it
 * @returns codes: the exit codes that are no error, default 0
 */
export function createRun(signalOf: () => AbortSignal): Run {
  return (command, { codes = [0], env = process.env } = {}) =>
    new Promise((resolve, reject) => {
      const [file = '', ...args] = command;
      const signal = signalOf();
      const child = spawn(file, args, { cwd: ROOT, env, signal, stdio: ['ignore', 'pipe', 'pipe'] });
      let stdout = '';
      let stderr = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
      });
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      child.once('error', reject);
      child.once('close', (code) => {
        if (code !== null && codes.includes(code)) return resolve({ code, stdout, stderr });
        const tail = `${stdout}\n${stderr}`.trimEnd().split('\n').slice(-30).join('\n');
        reject(new Error(`${command.join(' ')}: exit code ${code}\n${tail}`));
      });
    });
}

/** Asks every `everyMs` until there is an answer; throws what `describe` says when there is none in time. */
export async function until<Answer>(
  ask: () => Promise<Answer | undefined>,
  describe: () => string,
  options: { readonly timeoutMs: number; readonly everyMs: number; readonly signal: AbortSignal },
): Promise<Answer> {
  const deadline = Date.now() + options.timeoutMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > deadline) throw new Error(`not in ${options.timeoutMs / 1000} s: ${describe()}`);
    await sleep(options.everyMs, undefined, { signal: options.signal });
  }
}
