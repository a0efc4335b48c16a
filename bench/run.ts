// What every bench does with its command line and its end: options with --help, Ctrl-C that stops the server, an error
// as one line.
import { Command } from 'commander';
import { wholeNumber } from '../src/cli/whole-number.ts';
import { exitCodeOf, readableError } from '../src/ops/readable-error.ts';

const INTERRUPTED = 130;

/** --orders, --seed and --data-dir, which they all have. */
export function benchCommand(name: string, description: string, orders: number): Command {
  return new Command(name)
    .description(description)
    .option('--orders <n>', 'how many orders there are before it is measured', wholeNumber(1), orders)
    .option('--seed <n>', 'another one draws other orders and other calls', wholeNumber(0, 1_000_000), 1)
    .option('--data-dir <dir>', 'where the database lives; may be deleted at any time', '.data/bench');
}

export type BenchOptions = { readonly orders: number; readonly seed: number; readonly dataDir: string };

/** @param work gives the exit code */
export async function runBench(work: (signal: AbortSignal) => Promise<number>): Promise<void> {
  const end = new AbortController();
  // npm passes the terminal's Ctrl-C on: it comes twice.
  const interrupt = () => end.abort();
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    process.exitCode = await work(end.signal);
  } catch (error) {
    // What fails after the end was asked for fails because of it.
    process.exitCode = end.signal.aborted ? INTERRUPTED : exitCodeOf(error);
    if (!end.signal.aborted) console.error(readableError(error));
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}
