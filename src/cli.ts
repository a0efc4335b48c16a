#!/usr/bin/env node
import { existsSync } from 'node:fs';
// The command line: one bin, `router`. An error is one readable line and a non-zero exit; --verbose adds the stack.
import { Command, InvalidArgumentError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { STATUSES } from './core/status.ts';
import { readableError } from './ops/readable-error.ts';

const integer =
  (min: number, max: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!/^\d+$/.test(value) || number < min || number > max) {
      throw new InvalidArgumentError(`must be a whole number between ${min} and ${max}`);
    }
    return number;
  };

function uuid(value: string): string {
  if (!/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i.test(value))
    throw new InvalidArgumentError('must be an order id (UUID)');
  return value;
}

const program = new Command('router')
  .description('Durable order router for dYdX v4.')
  .version(packageJson.version)
  .option('--verbose', 'print the stack of an error')
  .showHelpAfterError('(--help shows the usage)')
  .configureHelp({ showGlobalOptions: true });

program
  .command('up')
  .description('run everything on this machine: database, paper exchange, workers, and a file of intents')
  .option('--intents <file>', 'JSON lines, - for standard input (default: the examples)')
  .option('--data-dir <dir>', 'where database, exchange and logs live (default: DATA_DIR or .data)')
  .option('--port <port>', 'of the paper exchange, 0 = any free one', integer(0, 65_535), 0)
  .option('--seed <n>', "of the paper exchange's prices", integer(0, 2 ** 31 - 1), 1)
  .option('--block-ms <ms>', "of the paper exchange's blocks", integer(10, 60_000), 500)
  .option('--exit-when-settled', 'end when every intent is final; status 0 if all is proven', false)
  .option('--json', 'print the summary as one JSON object, the last line of standard output', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npm start\n  npx router up --intents my.jsonl --exit-when-settled --json',
  )
  .action(async (options) => {
    const { up } = await import('./cli/up.ts');
    process.exitCode = await up(options);
  });

program
  .command('migrate')
  .description('bring the database to the newest schema; safe to repeat and with many starters')
  .option('--status', 'only list the migrations', false)
  .action(async ({ status }) => (await import('./cli/commands.ts')).runMigrate(status));

program
  .command('submit')
  .description('record the intents of a file; safe to repeat: what was recorded before is told and skipped')
  .argument('<file>', 'JSON lines, - for standard input')
  .option('--json', 'one JSON object per line', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npx router submit intents.jsonl\n  cat intents.jsonl | npx router submit -',
  )
  .action(async (file, { json }) => {
    process.exitCode = await (await import('./cli/commands.ts')).runSubmit(file, json);
  });

program
  .command('show')
  .description('everything that is known of an order: attempts, fills, history, proof')
  .argument('<client-id>')
  .option('--tenant <id>', 'tenant of the order', 'default')
  .option('--json', 'as one JSON object', false)
  .action(async (clientId, { tenant, json }) =>
    (await import('./cli/commands.ts')).runShow(tenant, clientId, json),
  );

program
  .command('orders')
  .description('list orders, newest first')
  .option('--market <ticker>', 'only this market')
  .addOption(new Option('--status <status>', 'only this status').choices(STATUSES))
  .option('--limit <n>', 'at most this many', integer(1, 1_000), 50)
  .option('--after <id>', 'go on behind this order id (the last one of the page before)', uuid)
  .option('--json', 'one JSON object per line', false)
  .addHelpText('after', '\nExample:\n  npx router orders --market BTC-USD --status FILLED --limit 20')
  .action(async (options) => (await import('./cli/commands.ts')).runOrders(options));

program
  .command('doctor')
  .description('check everything that a process needs, one line each; status 1 when something fails')
  .option('--json', 'one JSON object', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npx router doctor\n  DATA_DIR=.data npx router doctor        # the database of a running npm start\n  npx router doctor --json | jq \'.checks[] | select(.status == "FAIL")\'',
  )
  // What hangs was given up: its connection must not hold up the end.
  .action(async ({ json }) => process.exit(await (await import('./cli/doctor.ts')).runDoctor(json)));

program
  .command('paper')
  .description('run the paper exchange alone')
  .option(
    '--host <address>',
    'where it listens; it has no password, so beyond this machine only in a closed network',
    '127.0.0.1',
  )
  .option('--port <port>', '0 = any free one', integer(0, 65_535), 0)
  .option('--seed <n>', 'of prices and book', integer(0, 2 ** 31 - 1), 1)
  .option('--block-ms <ms>', 'time between blocks', integer(10, 60_000), 500)
  .option('--data-dir <dir>', 'folder of its journal (default: nothing is kept)')
  .action(async (options) => (await import('./cli/paper.ts')).runPaper(options));

try {
  if (existsSync('.env')) process.loadEnvFile('.env');
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${readableError(error)}`);
  if (program.opts()['verbose'] === true) console.error(error);
  process.exitCode = 1;
}
