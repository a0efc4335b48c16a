// One `router up` per data folder: two of them would end each other's database.
import { randomBytes } from 'node:crypto';
import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { commandLineOf } from '../ops/command-line.ts';

const CLAIM = /^up\.(\d+)\.[\da-f]+\.lock$/;
/** A later starter that sees an earlier one gives up at once. */
const YIELD_MS = 1_000;

/**
 * Each starter first makes a file of its own and only then
 * looks for the files of others, so of two at least one sees the other; nobody takes over a file, so a stale one can be
 * deleted without a race. Of two that see each other the lower process number stays. @returns how to unlock
 */
export async function lockFolder(dataDir: string, signal?: AbortSignal): Promise<() => void> {
  const own = `up.${process.pid}.${randomBytes(8).toString('hex')}.lock`;
  writeFileSync(join(dataDir, own), '', { flag: 'wx' });
  const unlock = () => rmSync(join(dataDir, own), { force: true });
  try {
    const deadline = Date.now() + YIELD_MS;
    for (;;) {
      const others = livingClaims(dataDir, own);
      const [first] = others;
      if (first === undefined) return unlock;
      if (first < process.pid || Date.now() > deadline) {
        throw new Error(`process ${first} is already using ${dataDir}: end it, or choose another --data-dir`);
      }
      await delay(20);
      signal?.throwIfAborted();
    }
  } catch (error) {
    unlock();
    throw error;
  }
}

/** @returns the process numbers, ascending; claims of the dead are deleted */
function livingClaims(dataDir: string, own: string): number[] {
  const living: number[] = [];
  for (const file of readdirSync(dataDir)) {
    const pid = CLAIM.exec(file)?.[1];
    if (pid === undefined || file === own) continue;
    if (Number(pid) !== process.pid && isUp(Number(pid))) living.push(Number(pid));
    else rmSync(join(dataDir, file), { force: true });
  }
  return living.sort((a, b) => a - b);
}

/** A process number is used again: after a restart of the machine or in a container another program may have it. */
function isUp(pid: number): boolean {
  return /(^|[ /])(cli\.ts|router) (.* )?up /.test(commandLineOf(pid));
}
