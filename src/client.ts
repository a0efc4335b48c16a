// The producer SDK: hands intents to the router and tells at once which are new, which were seen before and which
// are none. `queued` is as safe as the queue's disk; `recorded` means that the row is committed. Sending the same
// intent again is always safe.
import { v7 as uuidv7 } from 'uuid';
import { type Accepted, acceptIntent } from './app/accept.ts';
import { rejectionOf, spentClientId, unsignedOrder } from './app/submit.ts';
import { type Intent, type IntentInput, intentHash, type Refusal } from './core/intent.ts';
import { chooseBackend } from './queue/backend.ts';
import {
  addCancelJob,
  addPlaceJobs,
  addWakeJob,
  CONTROL_QUEUE,
  type JobData,
  ORDERS_QUEUE,
} from './queue/jobs.ts';
import type { CancelRequested } from './store/cancels.ts';
import { openDatabase } from './store/database.ts';
import { openDoorStore } from './store/door.ts';
import { keyOf, type Recorded } from './store/recording.ts';
import type { Rejection } from './store/rejections.ts';

export type { IntentInput, Refusal };

export type Enqueued =
  /**
   * queued, recorded: new, in the queue or committed as a row. duplicate: the same intent was sent before, and
   * nothing happens again. cancelled: recorded, but a cancel came before it, so it ends without being sent.
   */
  | {
      readonly client_id: string;
      readonly tenant_id: string;
      readonly outcome: 'queued' | 'recorded' | 'duplicate' | 'cancelled';
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
  /**
   * Asks for the cancel of an order; asking again changes nothing. It ends when that is proven, and an order that fills
   * meanwhile is FILLED. Throws when neither database nor queue can be reached.
   */
  readonly cancel: (clientId: string, options?: { readonly tenantId?: string }) => Promise<CancelAnswer>;
  readonly close: () => Promise<void>;
};

export type CancelAnswer = { readonly client_id: string; readonly tenant_id: string } & (
  | CancelRequested
  /** by a login that may only queue: what becomes of it is not known yet */
  | { readonly outcome: 'queued' }
);

export type RouterClientOptions = {
  /**
   * A login of cryptopulse_producer may queue, and learns of duplicates and off-grid prices from the submitter only; one
   * of cryptopulse_app may record as well, for its tenantId.
   */
  readonly databaseUrl: string;
  /** past a pooler that lends a connection per transaction, when databaseUrl is one; for the PostgreSQL queue */
  readonly databaseDirectUrl?: string | undefined;
  /** It speaks for this tenant: the default of tenant_id, and every other one is refused. */
  readonly tenantId?: string | undefined;
  /** when the router's queue is in Redis */
  readonly redisUrl?: string | undefined;
  /** the router's QUEUE_PREFIX, when it is not the default */
  readonly queuePrefix?: string | undefined;
};

/** Too low: a repeat right behind its original is only found by the submitter. 150 bytes each. */
const MAX_RECENT = 100_000;
/** Rows and jobs written at a time. */
const CHUNK = 500;

export function createRouterClient(options: RouterClientOptions): RouterClient {
  const { databaseUrl, databaseDirectUrl = databaseUrl, tenantId } = options;
  const db = openDatabase({
    url: databaseUrl,
    isPooled: databaseUrl !== databaseDirectUrl,
    maxConnections: 2,
    applicationName: 'dydx-order-router client',
  });
  const store = openDoorStore(db, tenantId);
  const queues = chooseBackend({ ...options, databaseUrl: databaseDirectUrl });
  const queue = queues.queue<JobData>(ORDERS_QUEUE);
  // The calls that need the queue throw; an idle connection that breaks is replaced by the next call.
  queue.on('error', () => {});
  const control = queues.queue<JobData>(CONTROL_QUEUE);
  control.on('error', () => {});

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
      // The rows are due by themselves: without a wake-up they wait for the sweep, and the call has done its work.
      await addWakeJob(queue, 0).catch(() => {});
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
    const markets = new Map((await store.markets()).map((market) => [market.ticker, market]));
    const door = {
      findMarket: markets.size === 0 ? undefined : (ticker: string) => markets.get(ticker),
      accounts: undefined,
      planSettings: { marketSlippagePpm: 1, iocGoodTilBlocks: 1 },
    };
    const accepted = raws.map((raw) => refuseOthers(acceptIntent(ofTenant(raw), now, door)));
    const intents = accepted.flatMap(({ intent }) => intent ?? []);
    const spent = await store.spent(intents);
    const queued = until === 'queued' ? await stillQueued(intents) : new Map<string, string>();
    const fresh: Intent[] = [];
    const rejections: Rejection[] = [];
    const refuse = (
      raw: unknown,
      index: number,
      outcome: 'invalid' | 'conflict',
      refusals: readonly Refusal[],
    ): Enqueued => {
      const rejection = rejectionOf(raw, `${call}#${start + index}`, refusals);
      rejections.push(rejection);
      return { client_id: rejection.clientId, outcome, refusals };
    };
    const results = accepted.map((result, index): Enqueued => {
      const raw = raws[index];
      if (result.intent === undefined) return refuse(raw, index, 'invalid', result.ok ? [] : result.refusals);
      const { intent } = result;
      const { client_id, tenant_id } = intent;
      const known = spent.get(keyOf(intent)) ?? queued.get(keyOf(intent));
      // Asked first: what was recorded when it was still welcome is a duplicate now, not refused.
      if (known === intentHash(intent)) {
        // Nobody has recorded it yet: adding it again costs nothing, and the queue may have lost it.
        if (!spent.has(keyOf(intent))) fresh.push(intent);
        return { client_id, tenant_id, outcome: 'duplicate' };
      }
      if (known !== undefined) return refuse(raw, index, 'conflict', [spentClientId]);
      if (!result.ok) return refuse(raw, index, 'invalid', result.refusals);
      spent.set(keyOf(intent), intentHash(intent));
      fresh.push(intent);
      return { client_id, tenant_id, outcome: until };
    });
    if (until === 'queued') {
      await store.keepRejections(rejections);
      await addPlaceJobs(queue, fresh);
      remember(fresh);
      return results;
    }
    const recorded = await record(fresh, now);
    const final = results.map((result, index): Enqueued => {
      if (result.outcome !== 'recorded') return result;
      // Another producer may have been faster.
      const outcome = recorded.get(keyOf(result)) ?? 'recorded';
      if (outcome === 'conflict') return refuse(raws[index], index, 'conflict', [spentClientId]);
      return { ...result, outcome };
    });
    await store.keepRejections(rejections);
    return final;
  }

  function ofTenant(raw: unknown): unknown {
    const isObject = typeof raw === 'object' && raw !== null && !Array.isArray(raw);
    if (tenantId === undefined || !isObject) return raw;
    return { ...raw, tenant_id: Reflect.get(raw, 'tenant_id') ?? tenantId };
  }

  function refuseOthers(accepted: Accepted): Accepted {
    const { intent } = accepted;
    if (tenantId === undefined || intent === undefined || intent.tenant_id === tenantId) return accepted;
    const reason = `this client speaks for ${tenantId}`;
    return { ok: false, refusals: [{ field: 'tenant_id', code: 'schema', reason }], intent: undefined };
  }

  /** What this client queued lately and no submitter may have recorded yet, oldest first. */
  const recent = new Map<string, string>();

  function remember(intents: readonly Intent[]): void {
    for (const intent of intents) recent.set(keyOf(intent), intentHash(intent));
    for (const key of recent.keys()) {
      if (recent.size <= MAX_RECENT) return;
      recent.delete(key);
    }
  }

  /** intent_hash by keyOf, of those that are on their way; what was refused there has freed its client_id. */
  async function stillQueued(intents: readonly Intent[]): Promise<Map<string, string>> {
    const known = intents.filter((intent) => recent.has(keyOf(intent)));
    const refused = known.length === 0 ? [] : await store.refused(known);
    for (const key of refused) recent.delete(keyOf(key));
    return new Map(
      known.flatMap((intent) => {
        const hash = recent.get(keyOf(intent));
        return hash === undefined ? [] : [[keyOf(intent), hash]];
      }),
    );
  }

  /** @returns what became of each, by keyOf */
  async function record(intents: readonly Intent[], now: Date): Promise<Map<string, Recorded>> {
    if (intents.length === 0) return new Map();
    const orders = intents.map((intent) => unsignedOrder(intent, now, now.getTime()));
    const recorded = await store.record(orders);
    return new Map(intents.map((intent, index) => [keyOf(intent), recorded[index] ?? 'conflict']));
  }

  async function cancel(
    clientId: string,
    { tenantId: asked = tenantId ?? 'default' }: { readonly tenantId?: string } = {},
  ): Promise<CancelAnswer> {
    if (tenantId !== undefined && asked !== tenantId) throw new Error(`this client speaks for ${tenantId}`);
    const key = { tenant_id: asked, client_id: clientId };
    const answer = await store.requestCancel(key);
    if (answer === undefined) {
      await addCancelJob(control, asked, clientId);
      return { ...key, outcome: 'queued' };
    }
    // The row is due by itself: without a wake-up it waits for the sweep.
    if (answer.outcome === 'requested') await addWakeJob(control, 0).catch(() => {});
    return { ...key, ...answer };
  }

  async function close(): Promise<void> {
    await queue.close();
    await control.close();
    await queues.close();
    await db.destroy();
  }

  async function enqueue(intents: unknown, enqueueOptions: EnqueueOptions = {}): Promise<unknown> {
    if (Array.isArray(intents)) return enqueueAll(intents, enqueueOptions);
    const [result] = await enqueueAll([intents], enqueueOptions);
    return result;
  }

  return { enqueue: enqueue as RouterClient['enqueue'], cancel, close, [Symbol.asyncDispose]: close };
}
