// The words of the commands that list what a person must look at: incidents, unexplained, stuck.
import { type Command, InvalidArgumentError } from 'commander';
import { MAX_SET_BY_CHARS } from '../core/controls.ts';
import { name } from './name.ts';
import { wholeNumber } from './whole-number.ts';

function incidentId(value: string): string {
  if (!/^\d{1,18}$/.test(value)) throw new InvalidArgumentError('must be a number of `router incidents`');
  return value;
}

const listed = (command: Command): Command =>
  command
    .option('--limit <n>', 'at most this many', wholeNumber(1, 100_000), 50)
    .option('--json', 'one JSON object per line', false);

export function registerTroubles(program: Command): void {
  const incidents = listed(
    program
      .command('incidents')
      .description('list what cannot be, by all that the router knows; status 1 while some are open'),
  )
    .option('--all', 'closed ones, too', false)
    .addHelpText(
      'after',
      '\nExamples:\n  npx router incidents\n  npx router incidents --all --json | jq .details\n  npx router incidents close 17\n\nKinds: late_fill, overfill, misfit_fill, unbookable_fill, total_filled_differs, height_backwards (docs/operations.md).',
    )
    .action(async (options) => {
      process.exitCode = await (await import('./troubles.ts')).runIncidents(options);
    });
  incidents
    .command('close')
    .description('say that one is understood; what happens again is a new one')
    .argument('<id>', 'as listed', incidentId)
    .option('--by <name>', 'who (default: user@host)', name(MAX_SET_BY_CHARS))
    .action(async (id, { by }) => (await import('./troubles.ts')).runCloseIncident(id, by));

  listed(
    program
      .command('unexplained')
      .description(
        'list fills and orders on our subaccounts that no intent explains; status 1 when there are some',
      ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  npx router unexplained --json | jq .order_uuid\n\nSomebody else trades with this key or by hand, or this database was restored and has forgotten orders.',
    )
    .action(async (options) => {
      process.exitCode = await (await import('./troubles.ts')).runUnexplained(options);
    });

  listed(
    program
      .command('stuck')
      .description('list active orders that stand still, longest first; status 1 when there are some'),
  )
    .option('--older-than <s>', 'for at least so many seconds', wholeNumber(0, 10_000_000), 60)
    .addHelpText(
      'after',
      '\nExample:\n  npx router stuck --older-than 300\n  npx router show <client-id>      # tells the rest',
    )
    .action(async (options) => {
      process.exitCode = await (await import('./troubles.ts')).runStuck(options);
    });
}
