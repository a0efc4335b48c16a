// The words of the commands that hold orders up: halt, reduce, resume, limits, controls.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { MAX_REASON_CHARS, MAX_SCOPES_OF_TENANT, MAX_SET_BY_CHARS, type Mode } from '../core/controls.ts';
import { name } from './name.ts';
import { wholeNumber } from './whole-number.ts';

const MODE_COMMANDS: readonly {
  readonly word: string;
  readonly mode: Mode;
  readonly does: string;
  readonly isReasonRequired: boolean;
  readonly example: string;
}[] = [
  {
    word: 'halt',
    mode: 'HALTED',
    does: 'let no placement leave; cancels still do',
    isReasonRequired: true,
    example: 'npx router halt --market BTC-USD --reason "fat finger"',
  },
  {
    word: 'reduce',
    mode: 'REDUCING',
    does: 'let only reduce-only placements and cancels leave',
    isReasonRequired: true,
    example: 'npx router reduce --account maker --reason "too long"',
  },
  {
    word: 'resume',
    mode: 'RUNNING',
    does: 'end a halt or reduce of exactly this scope; its limits stay',
    isReasonRequired: false,
    example: 'npx router resume --market BTC-USD --reason "was a drill"',
  },
];

const AFTERWARDS = `Without --market, --account and --tenant it is for all orders. Safe to repeat. Every submitter obeys within 1 s;
what has left by then may still fill: router cancel --all. Orders that arrive under a halt end as REJECTED.
At most ${MAX_SCOPES_OF_TENANT} scopes of a tenant are halted or limited at once, all of its orders beside them.
Status 1: nothing was changed. A login of one tenant must give its --tenant.`;

export function registerControls(program: Command): void {
  for (const { word, mode, does, isReasonRequired, example } of MODE_COMMANDS) {
    const reason = new Option('--reason <text>', 'why; every order that it refuses is told').argParser(
      name(MAX_REASON_CHARS),
    );
    if (isReasonRequired) reason.makeOptionMandatory();
    else reason.default('resumed');
    scoped(program.command(word).description(does))
      .addOption(reason)
      .option('--by <name>', 'who (default: user@host)', name(MAX_SET_BY_CHARS))
      .addHelpText('after', `\nExample:\n  ${example}\n\n${AFTERWARDS}`)
      .action(async (options) => (await import('./controls.ts')).runSetMode(mode, options));
  }

  scoped(program.command('limits').description('change limits of orders that are not sent yet'))
    .addOption(
      new Option('--set <limit=value>', 'may be given again').argParser(limitValue).default([], 'none'),
    )
    .addOption(new Option('--unset <limit>', 'may be given again').argParser(limitName).default([], 'none'))
    .addOption(new Option('--reason <text>', 'why').argParser(name(MAX_REASON_CHARS)).makeOptionMandatory())
    .option('--by <name>', 'who (default: user@host)', name(MAX_SET_BY_CHARS))
    .addHelpText(
      'after',
      `
Limits: max_order_size (base units, of one market), max_order_notional and max_exposure (USD), max_open_orders,
price_collar_ppm (millionths that a price may be worse than the oracle's, or than the trigger price of an order that
waits for it), intents_per_second (of a tenant).
Exposure and open orders are those of one account in one market. Of several scopes and the settings the strictest holds.

Examples:
  npx router limits --set max_order_notional=100000 --set price_collar_ppm=50000 --reason "new desk"
  npx router limits --market BTC-USD --account maker --unset max_open_orders --reason "quotes more levels"`,
    )
    .action(async (options) => (await import('./controls.ts')).runSetLimits(options));

  program
    .command('controls')
    .description('list what holds orders up: halts and limits, by scope')
    .option('--tenant <id>', 'only what holds over its orders', name(255))
    .option('--history', 'every change instead, newest first', false)
    .option('--limit <n>', 'with --history: at most this many', wholeNumber(1, 1_000), 50)
    .option('--json', 'one JSON object per line', false)
    .addHelpText(
      'after',
      '\nExamples:\n  npx router controls\n  npx router controls --history --limit 10 --json',
    )
    .action(async (options) => (await import('./controls.ts')).runListControls(options));
}

function scoped(command: Command): Command {
  return command
    .option('--market <ticker>', 'only this market', name(50))
    .option('--account <name>', 'only this account', name(64))
    .option('--tenant <id>', 'only this tenant', name(255));
}

function limitValue(text: string, before: readonly (readonly [string, string])[]) {
  const [, limit, value] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (limit === undefined || value === undefined) {
    throw new InvalidArgumentError('must be LIMIT=VALUE, such as max_open_orders=20');
  }
  return [...before, [limit, value] as const];
}

function limitName(text: string, before: readonly string[]): string[] {
  return [...before, text];
}
