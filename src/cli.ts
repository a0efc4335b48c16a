#!/usr/bin/env node
// The command line: one bin, `router`. An error is one readable line and a non-zero exit; --verbose adds the stack.
import { existsSync } from 'node:fs';
import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import packageJson from '../package.json' with { type: 'json' };
import { name } from './cli/name.ts';
import { registerBackup } from './cli/register-backup.ts';
import { registerControls } from './cli/register-controls.ts';
import { registerTroubles } from './cli/register-troubles.ts';
import { registerUpkeep } from './cli/register-upkeep.ts';
import type { RoleLogin } from './cli/role-logins.ts';
import { wholeNumber } from './cli/whole-number.ts';
import { type OrderCursor, parseCursor } from './core/order-cursor.ts';
import { STATUSES } from './core/status.ts';
import { ADAPTERS, type AdapterName } from './kit/truth/system.ts';
import { exitCodeOf, readableError } from './ops/readable-error.ts';
import type { RoleGrant } from './store/role-setup.ts';
import { ROLES } from './store/roles.ts';

function cursor(value: string): OrderCursor {
  const parsed = parseCursor(value);
  if (parsed === undefined)
    throw new InvalidArgumentError('must be what the page before ended with, as in "more: --after …"');
  return parsed;
}

/** The default stands only until the first one is given. */
const wholeNumbers = (value: string, before: readonly number[]): readonly number[] => {
  const number = wholeNumber(0, 100_000)(value);
  return before === DEFAULT_RATES ? [number] : [...before, number];
};
const setting = (
  value: string,
  before: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> => {
  const [, key, text] = /^([A-Z][A-Z0-9_]*)=(.*)$/.exec(value) ?? [];
  if (key === undefined || text === undefined)
    throw new InvalidArgumentError('must be NAME=value, as in .env.example');
  return { ...before, [key]: text };
};
const DEFAULT_RATES: readonly number[] = [100, 1_500];

function instant(value: string): Date {
  const time = new Date(value);
  if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('must be a time such as 2026-11-22 or 2026-11-22T10:00:00Z');
  return time;
}

const knownRole = (name: string | undefined) =>
  ROLES.find((candidate) => candidate === name || candidate === `cryptopulse_${name}`);

/** The URL is a secret: it is read by the command, and never repeated. */
function roleLogin(value: string, before: readonly RoleLogin[]): RoleLogin[] {
  // What commander is told it repeats.
  if (value.includes('://'))
    throw new Error('--login takes ROLE=FILE: a URL is a secret, put it into a file');
  const [, name, file] = /^([a-z_]+)=(.+)$/.exec(value) ?? [];
  const role = knownRole(name);
  if (role === undefined || file === undefined)
    throw new InvalidArgumentError(`must be ROLE=FILE, with a role of ${ROLES.join(', ')}`);
  return [...before, { role, file }];
}

function roleGrant(value: string, before: readonly RoleGrant[]): RoleGrant[] {
  const [, user, role] = /^(.{1,63})=([a-z_]+)$/.exec(value) ?? [];
  const known = knownRole(role);
  if (user === undefined || known === undefined)
    throw new InvalidArgumentError(`must be USER=ROLE, with a role of ${ROLES.join(', ')}`);
  return [...before, { user, role: known }];
}

function adapterNames(value: string): AdapterName[] {
  const names = value.split(',').map((name) => ADAPTERS.find((adapter) => adapter === name));
  const known = names.filter((name) => name !== undefined);
  if (known.length < names.length) throw new InvalidArgumentError(`must be some of ${ADAPTERS.join(',')}`);
  return [...new Set(known)];
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
  .option('--port <port>', 'of the paper exchange, 0 = any free one', wholeNumber(0, 65_535), 0)
  .option('--seed <n>', "of the paper exchange's prices", wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--block-ms <ms>', "of the paper exchange's blocks", wholeNumber(10, 60_000), 500)
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
  .command('roles')
  .description('make the database roles, give each its rights and take all others away; safe to repeat')
  .addOption(
    new Option('--grant <user=role>', 'make a login a member of a role; may be given again')
      .argParser(roleGrant)
      .default([], 'none'),
  )
  .addOption(
    new Option(
      '--login <role=file>',
      'make the login whose database URL the file holds, with its password; may be given again',
    )
      .argParser(roleLogin)
      .default([], 'none'),
  )
  .addHelpText(
    'after',
    `\nRoles: ${ROLES.join(', ')}\n\nExamples:\n  npx router roles\n  npx router roles --grant submitter=worker --grant ops=app --grant deploy=owner\n  npx router roles --login worker=secrets/worker_url\n\nThe roles have no passwords and no login. Make logins yourself, or have them made of the URLs of your processes:\n  CREATE ROLE submitter LOGIN PASSWORD '…'`,
  )
  .action(async ({ grant, login }) => (await import('./cli/commands.ts')).runRoles(grant, login));

program
  .command('submit')
  .description('record the intents of a file; safe to repeat: what was recorded before is told and skipped')
  .argument('<file>', 'JSON lines, - for standard input')
  .option('--tenant <id>', 'speaks for this tenant: the default of tenant_id, others are refused', name(255))
  .option('--json', 'one JSON object per line', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npx router submit intents.jsonl\n  cat intents.jsonl | npx router submit -',
  )
  .action(async (file, { tenant, json }) => {
    process.exitCode = await (await import('./cli/commands.ts')).runSubmit(file, tenant, json);
  });

program
  .command('cancel')
  .description('cancel an order, or all that match, and wait until that is proven')
  .argument('[client-id]', 'as it was given in the intent', name(255))
  .option('--all', 'every active order that matches --market, --account and --tenant', false)
  .option('--market <ticker>', 'with --all: only this market', name(50))
  .option('--account <name>', 'with --all: only this account', name(64))
  .option('--tenant <id>', 'whose orders (default: default; with --all: of every tenant)', name(255))
  .option('--no-wait', 'only ask: the request is recorded, and carried out by the submitters')
  .option('--json', 'as one JSON object', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npx router cancel rebalance-17\n  npx router cancel --all --market BTC-USD\n\nStatus 0: cancelled. 2: it was filled, or ended otherwise; with --all: orders came meanwhile (router halt first).\nJobs that still wait in the queue are no orders yet: cancel one by its client_id, and it ends when it comes.',
  )
  .action(async (clientId, options) => {
    process.exitCode = await (await import('./cli/cancel.ts')).runCancel(clientId, options);
  });

registerControls(program);

program
  .command('show')
  .description('everything that is known of an order: attempts, fills, history, proof')
  .argument('<client-id>', 'as it was given in the intent', name(255))
  .option('--tenant <id>', 'tenant of the order', name(255), 'default')
  .option('--json', 'as one JSON object', false)
  .action(async (clientId, { tenant, json }) =>
    (await import('./cli/commands.ts')).runShow(tenant, clientId, json),
  );

program
  .command('orders')
  .description('list orders, newest first')
  .option('--tenant <id>', 'whose orders', name(255), 'default')
  .option('--market <ticker>', 'only this market', name(50))
  .option('--active', 'only the active ones, of one market', false)
  .addOption(new Option('--status <status>', 'only this status').choices(STATUSES))
  .option('--limit <n>', 'at most this many', wholeNumber(1, 1_000), 50)
  .option('--after <cursor>', 'the next page: what the one before ended with', cursor)
  .option('--json', 'one JSON object per line', false)
  .addHelpText('after', '\nExample:\n  npx router orders --market BTC-USD --status FILLED --limit 20')
  .action(async (options) => (await import('./cli/commands.ts')).runOrders(options));

registerTroubles(program);
registerUpkeep(program);
registerBackup(program);

program
  .command('count')
  .description('count orders by status')
  .option('--tenant <id>', 'whose orders', name(255), 'default')
  .option('--since <time>', 'created then or later (default: all)', instant)
  .option('--json', 'as one JSON object', false)
  .addHelpText('after', '\nExample:\n  npx router count --since 2026-11-22T00:00:00Z')
  .action(async ({ tenant, since, json }) =>
    (await import('./cli/commands.ts')).runCount(tenant, since, json),
  );

program
  .command('monitor')
  .description(
    'what the database says of itself: the largest tables, the use of indexes, the slowest statements',
  )
  .addArgument(new Argument('<what>').choices(['tables', 'indexes', 'slow-queries']))
  .option('--json', 'one JSON object per line', false)
  .addHelpText('after', '\nExample:\n  npx router monitor slow-queries --json')
  .action(async (what, { json }) => (await import('./cli/commands.ts')).runMonitor(what, json));

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
  .command('truth')
  .description('make faults happen to real workers, and count what each system lost, doubled or got wrong')
  .option('--scenario <name...>', 'only these (default: all that the queue can have)')
  .addOption(
    new Option('--adapters <names>', 'comma-separated: this router, and what people use today')
      .argParser(adapterNames)
      .default(['router', 'naive', 'ccxt'], 'router,naive,ccxt'),
  )
  .option('--seed <n>', 'of prices, faults and kills', wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--workers <n>', 'sending processes of each system; some scenarios need more', wholeNumber(1, 8), 1)
  .addOption(new Option('--queue <kind>', 'where jobs wait').choices(['redis', 'postgres']).default('redis'))
  .option('--parallel <n>', 'runs side by side', wholeNumber(1, 16), 5)
  .option('--kills <n>', 'of the scenarios kill_after_send and reconciler_killed', wholeNumber(1, 1_000), 5)
  .option('--outage <s>', 'how long PostgreSQL is away in postgres_down', wholeNumber(1, 600), 20)
  .option('--list', 'only list the scenarios', false)
  .option('--json', 'the scores as one JSON object, the last line of standard output', false)
  .addHelpText(
    'after',
    `
Servers, exchanges, databases and workers are started in a temporary folder and end with it. Redis needs redis-server.
Status 0: every count of the router is zero. 1: one is not. 2: no such scenario. 130: interrupted.

Examples:
  npx router truth --list
  npx router truth --adapters router --queue postgres
  npx router truth --scenario kill_after_send --kills 100 --workers 4 --seed 7
  npx router truth --json | tail -1 | jq '.scenarios[] | {name, naive: .naive.duplicates}'`,
  )
  .action(async (options) => {
    process.exitCode = await (await import('./cli/truth.ts')).runTruthCommand(options);
  });

const keys = program
  .command('keys')
  .description('whose orders each configured key signs, and what else it could do; shows no key');

keys
  .command('check')
  .description(
    'one line an account; status 1 when a key could withdraw, must not be used or cannot be judged',
  )
  .option('--json', 'one JSON object per line', false)
  .addHelpText(
    'after',
    "\nExamples:\n  npx router keys check\n  DYDX_ACCOUNTS_FILE=accounts.json npx router keys check --json | jq 'select(.could_withdraw) | .account'\n\nAn owner’s own key can always withdraw; a trade-only key is registered by the owner (.env.example, Accounts).",
  )
  .action(async ({ json }) => {
    process.exitCode = await (await import('./cli/keys.ts')).runKeysCheck(json);
  });

keys
  .command('address')
  .description('the address of the key of each account, without asking the chain')
  .addHelpText('after', '\nExample:\n  DYDX_PRIVATE_KEY_FILE=testnet.key npx router keys address')
  .action(async () => (await import('./cli/keys.ts')).runKeysAddress());

program
  .command('paper')
  .description('run the paper exchange alone')
  .option(
    '--host <address>',
    'where it listens; it has no password, so beyond this machine only in a closed network',
    '127.0.0.1',
  )
  .option('--port <port>', '0 = any free one', wholeNumber(0, 65_535), 0)
  .option('--seed <n>', 'of prices and book', wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--block-ms <ms>', 'time between blocks', wholeNumber(10, 60_000), 500)
  .option('--nodes <n>', 'validators that gossip, for DYDX_VALIDATOR_URLS', wholeNumber(1, 8), 1)
  .option('--gossip-blocks <n>', 'until what one of them accepts reaches the others', wholeNumber(0, 100), 0)
  .option('--indexer-lag-blocks <n>', 'that the indexer is behind', wholeNumber(0, 1_000), 0)
  .option('--indexer-cache-ms <ms>', "that an answer stands; the venue's: 1000", wholeNumber(0, 60_000), 0)
  .option('--trusts-signatures', 'take every signature as right: for load tests', false)
  .option('--data-dir <dir>', 'folder of its journal (default: nothing is kept)')
  .action(async (options) => (await import('./cli/paper.ts')).runPaper(options));

program
  .command('bench')
  .description(
    'measure the whole router on this machine, on servers of its own; status 1 when an order ends wrong',
  )
  .addOption(
    new Option('--queue <kind>', 'where the queue lives').choices(['redis', 'postgres']).default('redis'),
  )
  .addOption(
    new Option(
      '--modes <mode...>',
      'how orders are offered: one a job, 20 a job, rows at the door; none: no throughput',
    )
      .choices(['jobs', 'groups', 'recorded', 'none'])
      .default(['jobs', 'groups', 'recorded']),
  )
  .option(
    '--rates <n...>',
    'orders/s at which latency is measured; 0: not at all',
    wholeNumbers,
    DEFAULT_RATES,
  )
  .option('--submitters <n>', 'how many submitter processes', wholeNumber(1, 16), 1)
  .option('--seconds <n>', 'of each window', wholeNumber(1, 3_600), 20)
  .option('--warm-up <n>', 'seconds before it', wholeNumber(0, 600), 8)
  .option('--outstanding <n>', 'orders on their way at a time', wholeNumber(1, 100_000), 2_000)
  .option('--existing <n>', 'repeat the first run on a database with so many orders', wholeNumber(0), 0)
  .option('--baseline', 'measure what people use today in the same run (bench/baselines)', false)
  .option('--reconcile', 'measure the reconciler instead: settling, fills, idle subaccounts', false)
  .option('--orders <n>', 'of --reconcile: that end in one block; 0: none', wholeNumber(0, 1_000_000), 10_000)
  .option('--subaccounts <n>', 'that have them', wholeNumber(1, 1_000), 20)
  .option('--idle <n>', 'of --reconcile: idle subaccounts; 0: none', wholeNumber(0, 100_000), 200)
  .option('--fill-rate <n>', 'of --reconcile: orders/s that cross; 0: none', wholeNumber(0, 1_000), 20)
  .option('--reconcilers <n>', 'of --reconcile: processes of its second run', wholeNumber(1, 16), 1)
  .option(
    '--set <NAME=value...>',
    'of --reconcile: settings of the processes, as in .env.example',
    setting,
    {},
  )
  .option('--block-ms <ms>', "of the paper exchange's blocks", wholeNumber(10, 60_000), 500)
  .option('--seed <n>', "of the paper exchange's prices", wholeNumber(0, 2 ** 31 - 1), 1)
  .option('--json', 'one JSON object, the last line of standard output', false)
  .addHelpText(
    'after',
    '\nExamples:\n  npx router bench --baseline\n  npx router bench --reconcile --seconds 60 --reconcilers 2\n  npx router bench --modes jobs --rates 0 --seconds 60 --json\n  npx router bench --modes jobs --rates 0 --existing 5000000',
  )
  .action(async ({ modes, rates, warmUp, baseline, reconcile, set, ...options }) => {
    if (reconcile) {
      const { runBenchReconcile } = await import('./cli/bench-reconcile.ts');
      process.exitCode = await runBenchReconcile({ ...options, warmUpS: warmUp, settings: set });
      return;
    }
    process.exitCode = await (await import('./cli/bench.ts')).runBench({
      ...options,
      modes: modes.filter((mode: string) => mode !== 'none'),
      rates: rates.filter((rate: number) => rate > 0),
      warmUpS: warmUp,
      hasBaselines: baseline,
    });
  });

try {
  if (existsSync('.env')) process.loadEnvFile('.env');
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${readableError(error)}`);
  if (program.opts()['verbose'] === true) console.error(error);
  process.exitCode = exitCodeOf(error);
}
