// Every cell of type × time_in_force × good_til × post_only × reduce_only and what becomes of it. Typed by hand from
// facts/dydx.md §2 (ValidateBasic, "Allowed combos") and DESIGN §4, never computed from src/core.
import type { Plan } from '../../src/core/plan.ts';
import type { OrderType, TimeInForce } from '../../src/core/status.ts';
import type { Json } from './builders.ts';

/** Columns of a table. */
const FLAGS = [
  {},
  { post_only: true },
  { reduce_only: true },
  { post_only: true, reduce_only: true },
] as const satisfies readonly Json[];

const GOOD_TIL_TIME = '2026-03-05T00:00:00Z';
const GOOD_TIL = {
  neither: {},
  blocks: { good_til_blocks: 10 },
  time: { good_til_time: GOOD_TIL_TIME },
  both: { good_til_blocks: 10, good_til_time: GOOD_TIL_TIME },
} as const satisfies Readonly<Record<string, Json>>;

// A cell is what the order is at the venue (its class and the time in force that is signed), or what it is refused for
// (REFUSALS). FOK is refused first, whatever else is wrong.
const LIMIT = `
                plain         post_only          reduce_only        both
  GTT neither   blocks        blocks             blocks+9003        blocks+9003
  GTT blocks    short/GTT     short/POST_ONLY    9003               9003
  GTT time      long/GTT      long/POST_ONLY     9003               9003
  GTT both      blocks        blocks             blocks+9003        blocks+9003
  IOC neither   short/IOC     44                 short/IOC          44
  IOC blocks    blocks        blocks+44          blocks             blocks+44
  IOC time      3002          3002+44            3002               3002+44
  IOC both      blocks+3002   blocks+3002+44     blocks+3002        blocks+3002+44
  FOK neither   48            48                 48                 48
  FOK blocks    48            48                 48                 48
  FOK time      48            48                 48                 48
  FOK both      48            48                 48                 48`;
/** Short-term IOC at a worst price, whatever its time_in_force says. */
const MARKET = `
                plain         post_only          reduce_only        both
  GTT neither   short/IOC     44                 short/IOC          44
  GTT blocks    blocks        blocks+44          blocks             blocks+44
  GTT time      3002          3002+44            3002               3002+44
  GTT both      blocks+3002   blocks+3002+44     blocks+3002        blocks+3002+44
  IOC neither   short/IOC     44                 short/IOC          44
  IOC blocks    blocks        blocks+44          blocks             blocks+44
  IOC time      3002          3002+44            3002               3002+44
  IOC both      blocks+3002   blocks+3002+44     blocks+3002        blocks+3002+44
  FOK neither   48            48                 48                 48
  FOK blocks    48            48                 48                 48
  FOK time      48            48                 48                 48
  FOK both      48            48                 48                 48`;
const CONDITIONAL_LIMIT = `
                plain         post_only          reduce_only        both
  GTT neither   time          time               time+9003          time+9003
  GTT blocks    blocks+time   blocks+time        blocks+time+9003   blocks+time+9003
  GTT time      cond/GTT      cond/POST_ONLY     9003               9003
  GTT both      blocks        blocks             blocks+9003        blocks+9003
  IOC neither   time          time+44            time               time+44
  IOC blocks    blocks+time   blocks+time+44     blocks+time        blocks+time+44
  IOC time      cond/IOC      44                 cond/IOC           44
  IOC both      blocks        blocks+44          blocks             blocks+44
  FOK neither   48            48                 48                 48
  FOK blocks    48            48                 48                 48
  FOK time      48            48                 48                 48
  FOK both      48            48                 48                 48`;
/** IOC at a worst price, whatever its time_in_force says. */
const CONDITIONAL_MARKET = `
                plain         post_only          reduce_only        both
  GTT neither   time          time+44            time               time+44
  GTT blocks    blocks+time   blocks+time+44     blocks+time        blocks+time+44
  GTT time      cond/IOC      44                 cond/IOC           44
  GTT both      blocks        blocks+44          blocks             blocks+44
  IOC neither   time          time+44            time               time+44
  IOC blocks    blocks+time   blocks+time+44     blocks+time        blocks+time+44
  IOC time      cond/IOC      44                 cond/IOC           44
  IOC both      blocks        blocks+44          blocks             blocks+44
  FOK neither   48            48                 48                 48
  FOK blocks    48            48                 48                 48
  FOK time      48            48                 48                 48
  FOK both      48            48                 48                 48`;

type Kind = {
  readonly type: OrderType;
  readonly table: string;
  /** what the type brings along, besides its flags and its times */
  readonly fields: Json;
  /** what it adds to the venue order: a SELL of BTC-USD, oracle 60000, trigger 58000, 1 % of slippage */
  readonly venue: Pick<Plan, 'subticks' | 'clientMetadata' | 'condition'>;
};

const PRICED = { subticks: 5_900_000_000n, clientMetadata: 0 } as const;
const STOP_LOSS = { condition: { type: 'STOP_LOSS', triggerSubticks: 5_800_000_000n } } as const;
const TAKE_PROFIT = { condition: { type: 'TAKE_PROFIT', triggerSubticks: 5_800_000_000n } } as const;
/** 58000 × 0.99 */
const FROM_TRIGGER = { subticks: 5_742_000_000n, clientMetadata: 1 } as const;

export const KINDS: readonly Kind[] = [
  // 60000 × 0.99
  { type: 'MARKET', table: MARKET, fields: {}, venue: { subticks: 5_940_000_000n, clientMetadata: 1 } },
  { type: 'LIMIT', table: LIMIT, fields: { price: '59000' }, venue: PRICED },
  {
    type: 'STOP_LIMIT',
    table: CONDITIONAL_LIMIT,
    fields: { price: '59000', trigger_price: '58000' },
    venue: { ...PRICED, ...STOP_LOSS },
  },
  {
    type: 'STOP_MARKET',
    table: CONDITIONAL_MARKET,
    fields: { trigger_price: '58000' },
    venue: { ...FROM_TRIGGER, ...STOP_LOSS },
  },
  {
    type: 'TAKE_PROFIT_LIMIT',
    table: CONDITIONAL_LIMIT,
    fields: { price: '59000', trigger_price: '58000' },
    venue: { ...PRICED, ...TAKE_PROFIT },
  },
  {
    type: 'TAKE_PROFIT_MARKET',
    table: CONDITIONAL_MARKET,
    fields: { trigger_price: '58000' },
    venue: { ...FROM_TRIGGER, ...TAKE_PROFIT },
  },
];

export type Venue = {
  readonly class: 'short-term' | 'long-term' | 'conditional';
  readonly timeInForce: Plan['timeInForce'];
};

export type Cell = {
  /** e.g. LIMIT GTT good_til_blocks post_only */
  readonly name: string;
  readonly kind: Kind;
  readonly timeInForce: TimeInForce;
  readonly goodTil: keyof typeof GOOD_TIL;
  readonly input: Json;
  /** refusals: field and code, in no order */
  readonly expected: { readonly venue: Venue } | { readonly refusals: readonly string[] };
};

const VENUES: Readonly<Record<string, Venue>> = {
  'short/GTT': { class: 'short-term', timeInForce: 'GTT' },
  'short/IOC': { class: 'short-term', timeInForce: 'IOC' },
  'short/POST_ONLY': { class: 'short-term', timeInForce: 'POST_ONLY' },
  'long/GTT': { class: 'long-term', timeInForce: 'GTT' },
  'long/POST_ONLY': { class: 'long-term', timeInForce: 'POST_ONLY' },
  'cond/GTT': { class: 'conditional', timeInForce: 'GTT' },
  'cond/IOC': { class: 'conditional', timeInForce: 'IOC' },
  'cond/POST_ONLY': { class: 'conditional', timeInForce: 'POST_ONLY' },
};
/** The venue's own codes, and `schema` for what it has no word for: no end, two ends, or one of the wrong kind. */
const REFUSALS: Readonly<Record<string, string>> = {
  '48': 'time_in_force clob/48', // FOK is retired
  '9003': 'reduce_only clob/9003', // reduce-only needs IOC
  '3002': 'good_til_time clob/3002', // what rests for long cannot be IOC
  '44': 'post_only clob/44', // there is one time in force, POST_ONLY is another than IOC
  blocks: 'good_til_blocks schema',
  time: 'good_til_time schema',
};
const GOOD_TIL_NAMES = {
  neither: '',
  blocks: 'good_til_blocks',
  time: 'good_til_time',
  both: 'both good_til',
};

export const CELLS: readonly Cell[] = KINDS.flatMap((kind) =>
  rowsOf(kind.table).flatMap((row) => cellsOf(kind, row)),
);

function rowsOf(table: string): string[][] {
  const [, , ...lines] = table.split('\n');
  return lines.map((line) => line.trim().split(/\s+/));
}

function cellsOf(kind: Kind, [timeInForce, goodTil, ...cells]: readonly string[]): Cell[] {
  if (!isTimeInForce(timeInForce) || !isGoodTil(goodTil) || cells.length !== FLAGS.length) {
    throw new Error(`not a row of the table of ${kind.type}: ${timeInForce} ${goodTil} ${cells}`);
  }
  return FLAGS.map((flags, column) => ({
    name: [kind.type, timeInForce, GOOD_TIL_NAMES[goodTil], ...Object.keys(flags)].filter(Boolean).join(' '),
    kind,
    timeInForce,
    goodTil,
    input: {
      client_id: 'c-1',
      market: 'BTC-USD',
      side: 'SELL',
      size: '1',
      type: kind.type,
      time_in_force: timeInForce,
      ...kind.fields,
      ...GOOD_TIL[goodTil],
      ...flags,
    },
    expected: expectedOf(cells[column] ?? ''),
  }));
}

function expectedOf(cell: string): Cell['expected'] {
  const venue = VENUES[cell];
  if (venue !== undefined) return { venue };
  return {
    refusals: cell.split('+').map((word) => {
      const refusal = REFUSALS[word];
      if (refusal === undefined) throw new Error(`not a cell: ${cell}`);
      return refusal;
    }),
  };
}

function isTimeInForce(text: string | undefined): text is TimeInForce {
  return text === 'GTT' || text === 'IOC' || text === 'FOK';
}

function isGoodTil(text: string | undefined): text is keyof typeof GOOD_TIL {
  return text !== undefined && text in GOOD_TIL;
}
