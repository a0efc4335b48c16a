// What a process number stands for: numbers are used again, command lines tell.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** The words of a living process with a space after each; empty for one that is gone, or dead and not yet reaped. */
export function commandLineOf(pid: number): string {
  try {
    return process.platform === 'linux'
      ? readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      : `${execFileSync('ps', ['-ww', '-p', String(pid), '-o', 'command='], { encoding: 'utf8' }).trim()} `;
  } catch {
    return '';
  }
}
