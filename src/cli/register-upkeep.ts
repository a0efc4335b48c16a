// The words of the maintenance commands: for people, and for cron where no maintenance process runs.
import type { Command } from 'commander';
import type { UpkeepTask } from '../core/upkeep.ts';
import { wholeNumber } from './whole-number.ts';

const STATUS =
  'Status 0: done. 75: another process is at it. 1: failed. 130: interrupted. Quiet for cron, unless --verbose.';

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
