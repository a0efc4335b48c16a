// The indexer's REST API: height, fills, markets, orders, equity. Silence is never data: whatever is not a well-formed
// answer throws IndexerError, and a page of fills that is out of order or of another size than asked is not well-formed.
// Source: v4-chain indexer/services/comlink (types.ts, fills-controller.ts, orders-controller.ts, rate-limit.ts).
import { setTimeout } from 'node:timers/promises';
import { z } from 'zod';
import type { Market } from '../core/market.ts';
import type { Fill, FillsPage, Indexer, ListedOrder } from '../core/ports.ts';
import { SIDES } from '../core/status.ts';
import type { IndexerResult } from '../core/telemetry.ts';
import { createHttp, type HttpClient, type HttpOutcome } from './http.ts';

/** At 100 requests per 10 s and address there is no use for more. */
const CONNECTIONS = 8;
/** Every call is made once more after a failure: reading twice is harmless. */
const REPEAT_AFTER_MS = 20;
/** The venue's limits refill within 10 s; a longer wait is the next pass's. */
const MAX_REPEAT_AFTER_MS = 1_000;
/** A page of 1,000 fills is about 0.6 MB, all markets about 0.3 MB. */
const MAX_RESPONSE_BYTES = 16 * 1024 * 1024;

const MAX_ORDERS = 1_000;
/** What may fill, by the indexer's words. Source: indexer/packages/postgres/src/types/order-types.ts. */
const OPEN_STATUSES = ['OPEN', 'UNTRIGGERED', 'BEST_EFFORT_OPENED'];

export class IndexerError extends Error {
  override readonly name = 'IndexerError';
  /** HTTP status; undefined when there was no answer */
  readonly status: number | undefined;
  /** from Retry-After, which this indexer gives in milliseconds */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    details: { status?: number | undefined; retryAfterMs?: number | undefined } = {},
  ) {
    super(message);
    this.status = details.status;
    this.retryAfterMs = details.retryAfterMs;
  }
}

export type IndexerOptions = {
  /** REST base URL without /v4 */
  readonly url: string;
  /** Deadline of every call, see http.ts */
  readonly timeoutMs: number;
  /** Told once per call about each market that cannot be read; the others are returned. */
  readonly onBadMarket?: (ticker: string, reason: string) => void;
  /** Told of every request, repeats included. */
  readonly onRequest?: (result: IndexerResult) => void;
  /** in place of a connection of its own */
  readonly http?: HttpClient;
  /** in place of this machine's time */
  readonly pause?: (ms: number) => Promise<unknown>;
};

export function createIndexer(options: IndexerOptions): Indexer & { readonly close: () => Promise<void> } {
  const { url, timeoutMs, onBadMarket, onRequest, pause = setTimeout } = options;
  const http =
    options.http ??
    createHttp({ url, timeoutMs, connections: CONNECTIONS, maxResponseBytes: MAX_RESPONSE_BYTES });

  /** A page that failed once must not send the whole pass back to its start: with steady faults it might never end. */
  async function request<T>(path: string, read: (outcome: HttpOutcome) => T): Promise<T> {
    const startedAt = performance.now();
    try {
      return await requestOnce(path, read);
    } catch (error) {
      // After a silence there is no time left for another one.
      const isSilence = performance.now() - startedAt > timeoutMs / 2;
      if (!(error instanceof IndexerError) || isSilence || !isWorthRepeating(error)) throw error;
      await pause(error.retryAfterMs ?? REPEAT_AFTER_MS);
      return requestOnce(path, read);
    }
  }

  async function requestOnce<T>(path: string, read: (outcome: HttpOutcome) => T): Promise<T> {
    const outcome = await http.get(path);
    let result = whyNoData(outcome) ?? 'malformed';
    try {
      const data = read(outcome);
      result = 'ok';
      return data;
    } finally {
      onRequest?.(result);
    }
  }

  function get<T>(path: string, schema: z.ZodType<T>): Promise<T> {
    return request(path, (outcome) => readData(path, outcome, schema));
  }

  /** Undefined is the indexer's own 404; any other one, such as a gateway's, says nothing of what was asked for. */
  function find<T>(path: string, schema: z.ZodType<T>): Promise<T | undefined> {
    return request(path, (outcome) => (isOwnNotFound(outcome) ? undefined : readData(path, outcome, schema)));
  }

  return {
    height: async () => (await get('/v4/height', HEIGHT)).height,

    fills: async (owner, subaccountNumber, page, limit) => {
      const path =
        `/v4/fills?address=${encodeURIComponent(owner)}&subaccountNumber=${subaccountNumber}` +
        `&page=${page}&limit=${limit}`;
      const answer = await get(path, FILLS);
      return checkPage(answer, path, page, limit);
    },

    markets: async () => {
      const { markets } = await get('/v4/perpetualMarkets', MARKETS);
      const good: Market[] = [];
      for (const [ticker, raw] of Object.entries(markets)) {
        const parsed = MARKET.safeParse(raw);
        const reason = parsed.success
          ? parsed.data.ticker === ticker
            ? undefined
            : `ticker: is ${parsed.data.ticker}`
          : firstIssue(parsed.error);
        if (parsed.success && reason === undefined) good.push(parsed.data);
        else onBadMarket?.(ticker, reason ?? '');
      }
      if (good.length === 0 && Object.keys(markets).length > 0) {
        throw new IndexerError('malformed answer to /v4/perpetualMarkets: not one market can be read');
      }
      return good;
    },

    orders: (owner, subaccountNumber, isOpen) =>
      get(
        `/v4/orders?address=${encodeURIComponent(owner)}&subaccountNumber=${subaccountNumber}` +
          `&limit=${MAX_ORDERS}${isOpen ? `&status=${OPEN_STATUSES.join(',')}` : ''}`,
        ORDERS,
      ),

    hasOrder: async (orderUuid) => {
      const path = `/v4/orders/${encodeURIComponent(orderUuid)}`;
      const order = await find(path, ORDER);
      if (order !== undefined && order.id !== orderUuid) {
        throw new IndexerError(`malformed answer to ${path}: id: is ${order.id}`);
      }
      return order !== undefined;
    },

    equity: async (owner, subaccountNumber) => {
      const path = `/v4/addresses/${encodeURIComponent(owner)}/subaccountNumber/${subaccountNumber}`;
      return (await find(path, SUBACCOUNT))?.subaccount.equity;
    },

    close: () => http.close(),
  };
}

function isWorthRepeating({ status, retryAfterMs = 0 }: IndexerError): boolean {
  const isOurFault = status !== undefined && status >= 400 && status < 500 && status !== 429;
  return !isOurFault && retryAfterMs <= MAX_REPEAT_AFTER_MS;
}

const plainDecimal = z.string().regex(/^\d+(\.\d+)?$/, 'not a plain decimal');
const signedDecimal = z.string().regex(/^-?\d+(\.\d+)?$/, 'not a plain decimal');
const uuid = z.string().regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, 'not a UUID');
/** REST gives heights and ids as strings of digits, counts as numbers. */
const count = z.union([
  z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number),
  z.int().nonnegative(),
]);
/** A float beyond 2^53 may already have lost digits: then no integer is known. */
const positiveInteger = z.int().positive().transform(BigInt);
const time = z
  .string()
  .transform((text) => new Date(text))
  .refine((date) => !Number.isNaN(date.getTime()), 'not a time');

const HEIGHT = z.object({ height: count });

const FILL = z
  .object({
    id: uuid,
    orderId: uuid.nullish(),
    market: z.string().min(1),
    side: z.enum(SIDES),
    size: plainDecimal,
    price: plainDecimal,
    fee: signedDecimal,
    liquidity: z.enum(['TAKER', 'MAKER']),
    type: z.string().min(1),
    createdAtHeight: count,
    createdAt: time,
  })
  .transform(
    ({ orderId, createdAtHeight, ...fill }): Fill => ({
      ...fill,
      orderUuid: orderId ?? undefined,
      height: createdAtHeight,
    }),
  );

const FILLS = z.object({
  fills: z.array(FILL),
  totalResults: count,
  pageSize: count.optional(),
  offset: count.optional(),
});

const MARKETS = z.object({ markets: z.record(z.string(), z.unknown()) });

const MARKET = z.object({
  ticker: z.string().min(1),
  clobPairId: z
    .string()
    .regex(/^\d{1,10}$/)
    .transform(Number),
  status: z.string().min(1),
  atomicResolution: z.int(),
  quantumConversionExponent: z.int(),
  stepBaseQuantums: positiveInteger,
  subticksPerTick: positiveInteger,
  oraclePrice: plainDecimal,
}) satisfies z.ZodType<Market>;

const ORDER = z.object({ id: uuid });

const ORDERS = z.array(
  z
    .object({
      id: uuid,
      ticker: z.string().min(1),
      side: z.enum(SIDES),
      size: plainDecimal,
      totalFilled: plainDecimal,
      status: z.string().min(1),
      updatedAtHeight: count.nullish(),
    })
    .transform(
      ({ ticker, updatedAtHeight, ...order }): ListedOrder => ({
        ...order,
        market: ticker,
        updatedAtHeight: updatedAtHeight ?? undefined,
      }),
    ),
);

const SUBACCOUNT = z.object({ subaccount: z.object({ equity: signedDecimal }) });

const ERRORS = z.object({ errors: z.array(z.object({ msg: z.string() })).min(1) });

function isOwnNotFound(outcome: HttpOutcome): boolean {
  if (outcome.kind === 'failed' || outcome.status !== 404) return false;
  try {
    return ERRORS.safeParse(JSON.parse(outcome.body)).success;
  } catch {
    return false;
  }
}

function whyNoData(outcome: HttpOutcome): IndexerResult | undefined {
  if (outcome.kind === 'failed') return 'no_answer';
  if (outcome.status === 429) return 'rate_limited';
  return outcome.status === 200 ? undefined : 'http_error';
}

function readData<T>(path: string, outcome: HttpOutcome, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(readJson(path, outcome));
  if (!parsed.success) throw new IndexerError(`malformed answer to ${path}: ${firstIssue(parsed.error)}`);
  return parsed.data;
}

function readJson(path: string, outcome: HttpOutcome): unknown {
  if (outcome.kind === 'failed') throw new IndexerError(`no answer to ${path}: ${outcome.reason}`);
  const { status, body } = outcome;
  if (status !== 200) {
    const retryAfterMs = readRetryAfter(outcome.headers['retry-after']);
    throw new IndexerError(`HTTP ${status} to ${path}: ${body.slice(0, 200)}`, { status, retryAfterMs });
  }
  try {
    return JSON.parse(body);
  } catch {
    throw new IndexerError(`answer to ${path} is not JSON: ${body.slice(0, 80)}`, { status });
  }
}

function readRetryAfter(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}

/** The reconciler counts rows by offset: a page of another size or order would skip fills without a sign. */
function checkPage(answer: z.infer<typeof FILLS>, path: string, page: number, limit: number): FillsPage {
  const { fills, totalResults, pageSize, offset } = answer;
  const malformed = (what: string) => new IndexerError(`malformed answer to ${path}: ${what}`);
  if (pageSize !== undefined && pageSize !== limit)
    throw malformed(`pageSize: is ${pageSize}, asked ${limit}`);
  if (offset !== undefined && offset !== (page - 1) * limit) throw malformed(`offset: is ${offset}`);
  if (fills.length > limit) throw malformed(`fills: ${fills.length} rows, asked ${limit}`);
  let height = 0;
  for (const [index, fill] of fills.entries()) {
    if (fill.height < height)
      throw malformed(`fills.${index}.createdAtHeight: ${fill.height} after ${height}`);
    height = fill.height;
  }
  // It would move the offset past a fill that was never seen.
  if (new Set(fills.map(({ id }) => id)).size < fills.length) throw malformed('fills: a row twice');
  return { fills, totalResults };
}

/** "fills.3.size: not a plain decimal" */
function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  return issue === undefined ? 'unknown' : `${issue.path.join('.')}: ${issue.message}`;
}
