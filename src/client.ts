// The producer SDK: hands intents to the router and tells at once which are new, which were seen before and which
// are none. `queued` is as safe as the queue's disk; `recorded` means that the row is committed. Sending the same
// intent again is always safe.
import { v7 as uuidv7 } from 'uuid';
import { acceptIntent } from './app/accept.ts';
import { rejectionOf, spentClientId } from './app/submit.ts';
import { type Intent, type IntentInput, intentHash, type Refusal, submitDeadline } from './core/intent.ts';
import { chooseBackend } from './queue/backend.ts';
import { addPlaceJobs, addWakeJob, ORDERS_QUEUE, type OrdersJob } from './queue/jobs.ts';
import { openDatabase } from './store/database.ts';
import { loadMarkets } from './store/markets.ts';
import { keyOf, recordOrders, spentKeys } from './store/orders.ts';
import { type Rejection, recordRejections } from './store/rejections.ts';

export type { IntentInput, Refusal };

export type Enqueued =
  /**
   * queued, recorded: new, in the queue or committed as a row. duplicate: the same intent was sent before, and
   * nothing happens again.
   */
  | {
      readonly client_id: string;
      readonly tenant_id: string;
      readonly outcome: 'queued' | 'recorded' | 'duplicate';
    }
  /** invalid: no intent. conflict: the client_id is spent for another body. Both are kept in intent_rejections. */
  | {
      readonly client_id: string | undefined;
      readonly outcome: 'invalid' | 'conflict';
      readonly refusals: readonly Refusal[];
    };

export type EnqueueOptions = {
  /** default `queued` */
  readonly until?: 'queued' | 'recorded';
  /** names this call in intent_rejections; must be unique, and without `#` */
  readonly source?: string;
};

export type RouterClient = AsyncDisposable & {
  /** One outcome per intent, in order. Throws when the database or the queue cannot be reached. */
  readonly enqueue: {
    (intent: IntentInput, options?: EnqueueOptions): Promise<Enqueued>;
    (intents: readonly unknown[], options?: EnqueueOptions): Promise<Enqueued[]>;
  };
  readonly close: () => Promise<void>;
};

export type RouterClientOptions = {
  readonly databaseUrl: string;
  /** when the router's queue is in Redis */
  readonly redisUrl?: string | undefined;
};

/** Rows and jobs written at a time. */
const CHUNK = 500;

export function createRouterClient(options: RouterClientOptions): RouterClient {
  const db = openDatabase({
    url: options.databaseUrl,
    maxConnections: 2,
    applicationName: 'dydx-order-router client',
  });
  const queue = chooseBackend(options).queue<OrdersJob>(ORDERS_QUEUE);
  // The calls that need the queue throw; an idle connection that breaks is replaced by the next call.
  queue.on('error', () => {});

  async function enqueueAll(
    raws: readonly unknown[],
    { until = 'queued', source }: EnqueueOptions,
  ): Promise<Enqueued[]> {
    const results: Enqueued[] = [];
    const call = source ?? `sdk:${uuidv7()}`;
    for (let start = 0; start < raws.length; start += CHUNK) {
      results.push(...(await enqueueChunk(raws.slice(start, start + CHUNK), until, call, start)));
    }
    if (until === 'recorded' && results.some(({ outcome }) => outcome === 'recorded')) {
      // The rows are due by themselves; without this they would wait for the sweep.
      await addWakeJob(queue, 0);
    }
    return results;
  }

  async function enqueueChunk(
    raws: readonly unknown[],
    until: 'queued' | 'recorded',
    call: string,
    start: number,
  ): Promise<Enqueued[]> {
    const now = new Date();
    const markets = new Map((await loadMarkets(db)).map((market) => [market.ticker, market]));
    const door = {
      findMarket: markets.size === 0 ? undefined : (ticker: string) => markets.get(ticker),
      accounts: undefined,
      planSettings: { marketSlippagePpm: 1, iocGoodTilBlocks: 1 },
    };
    const accepted = raws.map((raw) => acceptIntent(raw, now, door));
    const intents = accepted.flatMap((result) => (result.ok ? [result.intent] : []));
    const spent = await spentKeys(db, intents);
    const fresh: Intent[] = [];
    const rejections: Rejection[] = [];
    const results = accepted.map((result, index): Enqueued => {
      const raw = raws[index];
      const place = `${call}#${start + index}`;
      if (!result.ok) {
        const rejection = rejectionOf(raw, place, result.refusals);
        rejections.push(rejection);
        return { client_id: rejection.clientId, outcome: 'invalid', refusals: result.refusals };
      }
      const { intent } = result;
      const { client_id, tenant_id } = intent;
      const known = spent.get(keyOf(intent));
      if (known === undefined) {
        spent.set(keyOf(intent), intentHash(intent));
        fresh.push(intent);
        return { client_id, tenant_id, outcome: until };
      }
      if (known === intentHash(intent)) return { client_id, tenant_id, outcome: 'duplicate' };
      rejections.push(rejectionOf(raw, place, [spentClientId]));
      return { client_id, outcome: 'conflict', refusals: [spentClientId] };
    });
    await recordRejections(db, rejections);
    if (until === 'queued') {
      await addPlaceJobs(queue, fresh);
      return results;
    }
    const lost = await record(fresh, now);
    return results.map((result) => (result.outcome === 'recorded' && lost.get(result.client_id)) || result);
  }

  /** @returns those that another producer recorded first, by client_id */
  async function record(intents: readonly Intent[], now: Date): Promise<Map<string, Enqueued>> {
    if (intents.length === 0) return new Map();
    const recorded = await recordOrders(
      db,
      intents.map((intent) => ({
        id: uuidv7(),
        intent,
        intentHash: intentHash(intent),
        enqueuedAt: now,
        submitBy: submitDeadline(intent, now),
        wakeAt: now,
        attempt: undefined,
      })),
    );
    return new Map(
      intents.flatMap(({ client_id, tenant_id }, index): [string, Enqueued][] => {
        const outcome = recorded[index];
        if (outcome === 'duplicate') return [[client_id, { client_id, tenant_id, outcome }]];
        return outcome === 'conflict' ? [[client_id, { client_id, outcome, refusals: [spentClientId] }]] : [];
      }),
    );
  }

  async function close(): Promise<void> {
    await queue.close();
    await db.destroy();
  }

  async function enqueue(intents: unknown, enqueueOptions: EnqueueOptions = {}): Promise<unknown> {
    if (Array.isArray(intents)) return enqueueAll(intents, enqueueOptions);
    const [result] = await enqueueAll([intents], enqueueOptions);
    return result;
  }

  return { enqueue: enqueue as RouterClient['enqueue'], close, [Symbol.asyncDispose]: close };
}
