// Where the baselines live, what people use today: a package of its own beside the router, installed when it is first
// asked for, so that the router does not depend on what it is compared with.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const BASELINES = ['naive', 'ccxt'] as const;
export type BaselineName = (typeof BASELINES)[number];

export const BASELINES_FOLDER = join(import.meta.dirname, '..', '..', '..', 'bench', 'baselines');

export function baselineProgram(name: 'worker' | 'producer'): string {
  return join(BASELINES_FOLDER, `${name}.mjs`);
}

/** Throws with npm's last words when it cannot be installed. @param onInstall called before it takes its time */
export async function ensureBaselines(onInstall: () => void, signal?: AbortSignal): Promise<void> {
  if (existsSync(join(BASELINES_FOLDER, 'node_modules', '.package-lock.json'))) return;
  onInstall();
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--prefix', BASELINES_FOLDER], {
    stdio: ['ignore', 'ignore', 'pipe'],
    signal,
  });
  let said = '';
  npm.stderr.on('data', (chunk) => {
    said = `${said}${chunk}`.slice(-2_000);
  });
  const [code] = await once(npm, 'close');
  if (code === 0) return;
  const why = said.trim().split('\n').slice(-3).join(' ');
  throw new Error(`the baselines cannot be installed (npm ci --prefix bench/baselines): ${why}`);
}
