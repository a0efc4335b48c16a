// CPU time of processes as the kernel counts it, their threads and ended children included, and of the whole machine:
// what others took meanwhile says how far a figure can be trusted. Linux only.
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** proc(5): clock ticks a second, 100 on every Linux that Node runs on. */
const TICKS_PER_S = 100;

type Stat = { readonly parent: number; readonly ticks: number };

/** Undefined: it has ended. */
function statOf(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name before may hold spaces and brackets.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const [user, system, childUser, childSystem] = fields.slice(11, 15).map(Number);
    const ticks = (user ?? 0) + (system ?? 0) + (childUser ?? 0) + (childSystem ?? 0);
    return { parent: Number(fields[1]), ticks };
  } catch {
    return undefined;
  }
}

/** Seconds of CPU since their start, of a process and all of its children, living and ended. */
export function cpuSecondsOf(pid: number): number {
  const own = statOf(pid);
  if (own === undefined) return 0;
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => statOf(Number(name)) ?? [])
    .filter(({ parent }) => parent === pid);
  return children.reduce((sum, { ticks }) => sum + ticks, own.ticks) / TICKS_PER_S;
}

/** Seconds of CPU that the whole machine has spent. */
export function machineCpuSeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (
    readFileSync('/proc/stat', 'utf8').split('\n')[0] ?? ''
  )
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_S;
}

export function coreCount(): number {
  return cpus().length;
}
