// The order intent: the one schema for queue, file, SDK and docs/intent.schema.json. An Intent can only be made
// by parseIntent, so nothing unvalidated can be recorded or signed. Nothing a payload holds makes it throw.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { normalizeDecimal, toScaled } from './decimal.ts';
import {
  isConditional,
  isMarketType,
  ORDER_TYPES,
  type OrderType,
  SIDES,
  TIMES_IN_FORCE,
  type TimeInForce,
} from './status.ts';

/** Larger payloads are refused unread: an intent with full metadata has about 5 KiB. */
export const MAX_INTENT_BYTES = 16 * 1024;
const MAX_METADATA_BYTES = 4 * 1024;
/** Deeper metadata would overflow the stack of what reads it. */
const MAX_METADATA_DEPTH = 32;
/** Told of one payload; a payload can hold a thousand wrong keys. */
const MAX_REFUSALS = 20;
/** Intents in one `place` job. */
export const MAX_INTENTS_PER_JOB = 100;
const MAX_GOOD_TIL_BLOCKS = 40;
const MAX_GOOD_TIL_DAYS = 95;

const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL bytes');

const decimal = z
  .string('must be a decimal string such as "0.25"')
  .max(40)
  .regex(
    /^\d{1,20}(\.\d{1,18})?$/,
    'must be a decimal string such as "0.25": at most 20 digits, a point, 18 digits',
  )
  .refine((value) => (toScaled(value, 18) ?? 0n) > 0n, 'must be greater than 0');

const time = z.iso
  .datetime({ offset: true })
  // With its offset taken off, the last day of 9999 is a year that PostgreSQL writes in another way.
  .refine((value) => Date.parse(value) < Date.UTC(9999, 0), 'must lie before the year 9999');

export const intentSchema = z.strictObject({
  client_id: text(255).describe('unique per tenant, for ever'),
  market: text(50).describe('e.g. BTC-USD'),
  side: z.enum(SIDES),
  type: z.enum(ORDER_TYPES),
  time_in_force: z.enum(TIMES_IN_FORCE).default('GTT').describe('FOK is refused: the venue has retired it'),
  size: decimal.describe("decimal string, a multiple of the market's step"),
  price: decimal.optional().describe("decimal string, a multiple of the market's tick; LIMIT types only"),
  trigger_price: decimal.optional().describe('STOP_* and TAKE_PROFIT_* only'),
  good_til_blocks: z
    .int()
    .min(1)
    .max(MAX_GOOD_TIL_BLOCKS)
    .optional()
    .describe('GTT: rests this many blocks from signing (short-term order)'),
  good_til_time: time
    .optional()
    .describe('GTT: rests until this time, at most 95 days ahead (stateful order)'),
  reduce_only: z.boolean().default(false),
  post_only: z.boolean().default(false),
  tenant_id: text(255).default('default'),
  account: text(64).default('default').describe('a configured key'),
  subaccount_number: z.int().min(0).max(128_000).default(0),
  submit_by: time
    .optional()
    .describe('not sent after it; default: enqueued + 30 s for MARKET and IOC, + 5 min for good_til_blocks'),
  metadata: z.json().optional().describe('at most 4 KiB of JSON, kept and never interpreted'),
});

declare const validated: unique symbol;
/** Output of parseIntent; sizes and prices are normalized decimals. */
export type Intent = Readonly<z.output<typeof intentSchema>> & { readonly [validated]: true };
export type IntentInput = z.input<typeof intentSchema>;

/** Why an intent was refused. code is `schema`, or the venue's own, e.g. `clob/48`. */
export type Refusal = { readonly field: string; readonly code: string; readonly reason: string };

export type ParsedIntent =
  | { readonly ok: true; readonly intent: Intent }
  | { readonly ok: false; readonly refusals: readonly Refusal[] };

export function parseIntent(raw: unknown): ParsedIntent {
  const unreadable = refuseOversize(raw) ?? refuseMetadata(raw);
  if (unreadable) return { ok: false, refusals: [unreadable] };
  const parsed = intentSchema.safeParse(raw);
  if (!parsed.success) {
    return { ok: false, refusals: parsed.error.issues.flatMap(refusalsOf).slice(0, MAX_REFUSALS) };
  }
  const refusals = refuseCombination(parsed.data);
  if (refusals.length > 0) return { ok: false, refusals };
  return { ok: true, intent: normalize(parsed.data) };
}

/** One way to write each value, so that the same order is the same intent. */
function normalize(intent: z.output<typeof intentSchema>): Intent {
  const { price, trigger_price, good_til_time, submit_by } = intent;
  return {
    ...intent,
    time_in_force: isImmediate(intent) ? 'IOC' : 'GTT',
    size: normalizeDecimal(intent.size),
    ...(price === undefined ? {} : { price: normalizeDecimal(price) }),
    ...(trigger_price === undefined ? {} : { trigger_price: normalizeDecimal(trigger_price) }),
    ...(good_til_time === undefined ? {} : { good_til_time: new Date(good_til_time).toISOString() }),
    ...(submit_by === undefined ? {} : { submit_by: new Date(submit_by).toISOString() }),
  } as Intent;
}

/** The venue carries market types as IOC with a worst price. */
function isImmediate(intent: { readonly type: OrderType; readonly time_in_force: TimeInForce }): boolean {
  return isMarketType(intent.type) || intent.time_in_force === 'IOC';
}

function refuseOversize(raw: unknown): Refusal | undefined {
  const bytes = jsonBytes(raw);
  if (bytes !== undefined && bytes <= MAX_INTENT_BYTES) return undefined;
  const size = bytes === undefined ? 'cannot be written as JSON' : `has ${bytes} bytes`;
  return schemaRefusal('', `the payload ${size}; the limit is ${MAX_INTENT_BYTES} bytes`);
}

/** Undefined for what JSON cannot hold: cycles, or nesting beyond the stack. */
function jsonBytes(value: unknown): number | undefined {
  try {
    return Buffer.byteLength(JSON.stringify(value) ?? '');
  } catch {
    return undefined;
  }
}

function refusalsOf(issue: z.core.$ZodIssue): Refusal[] {
  const path = issue.path.map(String).join('.');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => schemaRefusal(cut(key), 'is not a field of an intent'));
  }
  const isMissing = issue.message.endsWith('received undefined');
  return [schemaRefusal(cut(path), isMissing ? 'is required' : issue.message)];
}

function cut(field: string): string {
  return field.replaceAll('\0', '\\0').slice(0, 100).toWellFormed();
}

function schemaRefusal(field: string, reason: string): Refusal {
  return { field, code: 'schema', reason };
}

/** Before the schema walks through it: its depth is bounded by nothing else. */
function refuseMetadata(raw: unknown): Refusal | undefined {
  const metadata: unknown =
    typeof raw === 'object' && raw !== null ? Reflect.get(raw, 'metadata') : undefined;
  if (metadata === undefined) return undefined;
  const json = JSON.stringify(metadata) ?? '';
  if (Buffer.byteLength(json) > MAX_METADATA_BYTES) {
    return schemaRefusal(
      'metadata',
      `has ${Buffer.byteLength(json)} bytes; the limit is ${MAX_METADATA_BYTES}`,
    );
  }
  // In JSON text a NUL byte and a lone surrogate are escapes; PostgreSQL's jsonb holds neither.
  if (/(?<!\\)(?:\\\\)*\\u(?:0000|d[89a-f][0-9a-f]{2})/i.test(json)) {
    return schemaRefusal('metadata', 'must not contain NUL bytes or half characters');
  }
  const reason = whyNotKept(metadata, MAX_METADATA_DEPTH);
  return reason === undefined ? undefined : schemaRefusal('metadata', reason);
}

function whyNotKept(value: unknown, depthLeft: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depthLeft === 0) return `is nested deeper than ${MAX_METADATA_DEPTH} levels`;
  for (const key of Object.keys(value)) {
    // It would set a prototype somewhere and be lost.
    if (key === '__proto__') return 'must not contain the key __proto__';
    const reason = whyNotKept(Reflect.get(value, key), depthLeft - 1);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

function isPriced(type: OrderType): boolean {
  return !isMarketType(type);
}

/** The cells of type × time in force × flags that the venue would refuse, with its codes. */
function refuseCombination(intent: z.output<typeof intentSchema>): Refusal[] {
  const { type, time_in_force, price, trigger_price, good_til_blocks, good_til_time } = intent;
  const refusals: Refusal[] = [];
  const refuse = (field: string, reason: string, code = 'schema') => refusals.push({ field, code, reason });
  const immediate = isImmediate(intent);

  if (time_in_force === 'FOK')
    refuse('time_in_force', 'FOK has been retired by the venue: use IOC', 'clob/48');
  if (isPriced(type) && price === undefined) refuse('price', `is required for ${type}`);
  if (!isPriced(type) && price !== undefined) refuse('price', `must be absent for ${type}`);
  if (isConditional(type) && trigger_price === undefined) refuse('trigger_price', `is required for ${type}`);
  if (!isConditional(type) && trigger_price !== undefined)
    refuse('trigger_price', `must be absent for ${type}`);
  if (intent.reduce_only && !immediate) {
    refuse('reduce_only', 'reduce-only orders must be IOC or MARKET', 'clob/9003');
  }
  if (intent.post_only && immediate) refuse('post_only', 'cannot be combined with IOC or MARKET', 'clob/44');
  if (good_til_blocks !== undefined && good_til_time !== undefined) {
    refuse('good_til_blocks', 'give good_til_blocks or good_til_time, not both');
  }
  if (isConditional(type)) {
    if (good_til_blocks !== undefined)
      refuse('good_til_blocks', `must be absent for ${type}: use good_til_time`);
    if (good_til_time === undefined) refuse('good_til_time', `is required for ${type}`);
  } else if (immediate) {
    const cell = type === 'MARKET' ? 'MARKET' : `${type} IOC`;
    if (good_til_blocks !== undefined) refuse('good_til_blocks', `must be absent for ${cell}`);
    if (good_til_time !== undefined) refuse('good_til_time', `must be absent for ${cell}`, 'clob/3002');
  } else if (time_in_force === 'GTT' && good_til_blocks === undefined && good_til_time === undefined) {
    const choices = `good_til_blocks (1–${MAX_GOOD_TIL_BLOCKS}, short-term) or good_til_time (stateful)`;
    refuse('good_til_blocks', `GTT needs ${choices}`);
  }
  return refusals;
}

/**
 * What depends on the moment at which an intent arrives at a door.
 * @param now the door's clock, or for a job the time of its enqueueing
 */
export function refuseByTime(intent: Intent, now: Date): Refusal[] {
  const refusals: Refusal[] = [];
  if (intent.submit_by !== undefined && Date.parse(intent.submit_by) <= now.getTime()) {
    refusals.push(schemaRefusal('submit_by', `${intent.submit_by} has passed: it is ${now.toISOString()}`));
  }
  if (intent.good_til_time !== undefined) {
    const aheadMs = Date.parse(intent.good_til_time) - now.getTime();
    if (aheadMs <= 0) {
      refusals.push({
        field: 'good_til_time',
        code: 'clob/3003',
        reason: `${intent.good_til_time} has passed`,
      });
    } else if (aheadMs > MAX_GOOD_TIL_DAYS * 86_400_000) {
      const reason = `${intent.good_til_time} is more than ${MAX_GOOD_TIL_DAYS} days ahead`;
      refusals.push({ field: 'good_til_time', code: 'clob/3004', reason });
    }
  }
  return refusals;
}

/** When the intent must no longer be sent; undefined for stateful orders without a submit_by. */
export function submitDeadline(intent: Intent, enqueuedAt: Date): Date | undefined {
  if (intent.submit_by !== undefined) return new Date(intent.submit_by);
  if (intent.good_til_time !== undefined) return undefined;
  return new Date(enqueuedAt.getTime() + (intent.time_in_force === 'IOC' ? 30_000 : 300_000));
}

/** sha256 (hex) of the canonical intent: equal for the same order however its JSON was written. */
export function intentHash(intent: Intent): string {
  return createHash('sha256').update(stableJson(intent)).digest('hex');
}

/**
 * The job id of a single `place` job. Never the bare client_id: the queue would swallow another body under a
 * known id without a word, and it refuses integers and colons.
 */
export function placeJobId(intent: Intent): string {
  const name = JSON.stringify([intent.tenant_id, intent.client_id, intentHash(intent)]);
  return `p-${createHash('sha256').update(name).digest('hex')}`;
}

function stableJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
