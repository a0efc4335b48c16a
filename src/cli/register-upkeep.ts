// The words of the maintenance commands: for people, and for cron where no maintenance process runs.
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { UpkeepTask } from '../core/upkeep.ts';
import { wholeNumber } from './whole-number.ts';

const STATUS =
  'Status 0: done. 75: another process is at it. 1: failed. 130: interrupted. Quiet for cron, unless --verbose.';

const MAX_DAYS = 36_500;

/** `90d`, or the number alone */
function days(value: string): number {
  const number = Number(/^(\d{1,6})d?$/.exec(value)?.[1]);
  if (!(number >= 1 && number <= MAX_DAYS))
    throw new InvalidArgumentError(`must be a number of days from 1d to ${MAX_DAYS}d, such as 90d`);
  return number;
}

export function registerUpkeep(program: Command): void {
  const task = (name: UpkeepTask, description: string, examples: string) =>
    program
      .command(name)
      .description(description)
      .option('--if-due', 'only when the schedule has had a tick since it was last done', false)
      .option('--json', 'what was done as one JSON object', false)
      .addHelpText('after', `\nExamples:\n${examples}\n\n${STATUS}`)
      .action(async (options) => {
        const verbose = program.opts()['verbose'] === true;
        process.exitCode = await (await import('./upkeep.ts')).runUpkeepCommand(name, {
          ...options,
          verbose,
        });
      });

  program
    .command('archive')
    .description('move old final orders, with all that is known of them, into the archive')
    .option('--older-than <days>', 'created longer ago than this (default: ARCHIVE_AFTER_DAYS)', days)
    .option('--limit <n>', 'at most so many orders (default: all)', wholeNumber(1))
    .option('--fast', 'as fast as it goes: traffic waits for it now and then', false)
    .addOption(
      new Option('--dry-run', 'only say what would move, by month; writes nothing')
        .default(false)
        .conflicts(['limit', 'fast', 'ifDue']),
    )
    .option('--if-due', 'only when the schedule has had a tick since it was last done', false)
    .option('--json', 'what was done as one JSON object', false)
    .addHelpText(
      'after',
      `\nExamples:\n  npx router archive --dry-run\n  npx router archive --older-than 30d --limit 100000 --verbose\n  npx router archive --if-due           # from cron\n\nA run may be broken off at any time; the next one goes on. One that ends at --limit counts as done for the schedule, too.\n${STATUS}`,
    )
    .action(async (options) => {
      const verbose = program.opts()['verbose'] === true;
      process.exitCode = await (await import('./archive.ts')).runArchive({ ...options, verbose });
    });

  task(
    'vacuum',
    'VACUUM and ANALYZE the tables that grow and change, one after the other',
    '  npx router vacuum\n  npx router vacuum --if-due          # from cron: does nothing when the scheduler has done it',
  );
  task('analyze', 'renew the statistics that plans rest on', '  npx router analyze --verbose');
  task(
    'prune',
    'delete refused intents and records of maintenance that are older than RECORDS_KEEP_DAYS, and leftovers',
    '  npx router prune --json',
  );

  program
    .command('maintenance')
    .description('what is scheduled, when it was last done, and the latest runs')
    .option('--limit <n>', 'at most so many runs', wholeNumber(1, 10_000), 10)
    .option('--json', 'the runs, one JSON object per line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  npx router maintenance\n  npx router maintenance --json | jq \'select(.outcome == "failed")\'',
    )
    .action(async (options) => (await import('./runs.ts')).runMaintenanceList(options));
}
