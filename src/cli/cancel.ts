// `router cancel`: asks for cancels and waits until they are proven. The request is recorded at once: whoever stops waiting
// has cancelled all the same.
import { setTimeout as delay } from 'node:timers/promises';
import { createRouterClient } from '../client.ts';
import { isFinal, type OrderStatus } from '../core/status.ts';
import { chooseBackend } from '../queue/backend.ts';
import { addWakeJob, CONTROL_QUEUE, type JobData } from '../queue/jobs.ts';
import { type CancelScope, countActive, requestCancels } from '../store/cancels.ts';
import type { Database } from '../store/database.ts';
import { requireSchema } from '../store/migrations.ts';
import { findOrder, type ToldOrder } from '../store/order-story.ts';
import { asTenant } from '../store/tenant.ts';
import { short } from './output.ts';
import { createScreen } from './screen.ts';
import { type Connected, withDatabase } from './with-database.ts';

export type CancelOptions = {
  readonly all: boolean;
  readonly tenant?: string;
  readonly account?: string;
  readonly market?: string;
  readonly wait: boolean;
  readonly json: boolean;
};

const POLL_MS = 250;

/** Exit codes: 0 cancelled, or asked for without waiting; 2 it had ended, or ended, otherwise; orders came meanwhile. */
export async function runCancel(clientId: string | undefined, options: CancelOptions): Promise<number> {
  const { all, account, market } = options;
  if ((clientId === undefined) !== all) throw new Error('give a CLIENT_ID, or --all');
  if (!all && (account !== undefined || market !== undefined)) {
    throw new Error('--account and --market choose orders of --all: a CLIENT_ID names one');
  }
  return withDatabase(async (connected) => {
    await requireSchema(connected.db);
    return clientId === undefined ? cancelAll(connected, options) : cancelOne(connected, clientId, options);
  });
}

async function cancelOne(
  { db, router }: Connected,
  clientId: string,
  { tenant = 'default', wait, json }: CancelOptions,
): Promise<number> {
  await using client = createRouterClient({ ...router, tenantId: tenant });
  const answer = await client.cancel(clientId);
  const say = (text: string, status?: OrderStatus) =>
    console.log(json ? JSON.stringify({ ...answer, ...(status === undefined ? {} : { status }) }) : text);
  switch (answer.outcome) {
    case 'queued':
      say('cancel queued; this login may not see what becomes of it');
      return 0;
    case 'spent':
      say(
        `no order ${clientId} yet: its client_id is spent, and should it come it ends as CANCELLED, never sent`,
      );
      return 0;
    case 'final':
      say(`${clientId} is ${answer.status} already: nothing is cancelled`);
      return answer.status === 'CANCELLED' ? 0 : 2;
    case 'requested': {
      if (!wait) {
        say(`cancel of ${clientId} requested (${answer.status}); router show tells when it is proven`);
        return 0;
      }
      const story = await untilFinal(db, tenant, clientId, json);
      say(ending(story), story.order.status);
      return story.order.status === 'CANCELLED' ? 0 : 2;
    }
  }
}

async function untilFinal(db: Database, tenant: string, clientId: string, json: boolean): Promise<ToldOrder> {
  const screen = createScreen(json ? process.stderr : process.stdout);
  for (;;) {
    const story = await asTenant(db, tenant, (trx) => findOrder(trx, tenant, clientId), 'repeatable read');
    if (story === undefined) throw new Error(`the order ${clientId} is gone`);
    if (isFinal(story.order.status)) {
      screen.finish();
      return story;
    }
    screen.draw([waitingFor(story)]);
    await delay(POLL_MS);
  }
}

function waitingFor({ order, cancels }: ToldOrder): string {
  const sent = cancels.length === 0 ? 'cancel requested' : 'cancel sent';
  if (order.good_til_block !== null) {
    return `${sent}, ${order.status}: waiting for the indexer to pass block ${order.good_til_block}, its last`;
  }
  return `${sent}, ${order.status}: waiting for the chain to show that it is gone (Ctrl-C stops waiting only)`;
}

function ending({ order }: ToldOrder): string {
  const filled = `filled ${short(order.filled_size)} of ${short(order.size)}`;
  const reason = order.status_reason === null ? '' : ` (${order.status_reason})`;
  return `${order.client_id} is ${order.status}${reason}, ${filled}`;
}

async function cancelAll({ db, router }: Connected, options: CancelOptions): Promise<number> {
  const scope: CancelScope = { tenantId: options.tenant, account: options.account, market: options.market };
  const on = <Result>(work: (db: Database) => Promise<Result>): Promise<Result> =>
    options.tenant === undefined ? work(db) : asTenant(db, options.tenant, work);
  const requested = await requestCancels(db, scope);
  await wakeControl(router);
  const screen = createScreen(options.json ? process.stderr : process.stdout);
  const { cancelling } = await on((trx) => countActive(trx, scope));
  screen.line(`cancel requested for ${requested} orders; ${cancelling} are to be proven ended`);
  if (!options.wait) return 0;
  for (;;) {
    const left = await on((trx) => countActive(trx, scope));
    screen.draw([`${left.cancelling} of ${cancelling} not proven ended yet (Ctrl-C stops waiting only)`]);
    if (left.cancelling === 0) {
      screen.finish();
      return tell(requested, left.others, options.json);
    }
    await delay(POLL_MS);
  }
}

function tell(requested: number, others: number, json: boolean): number {
  if (json) console.log(JSON.stringify({ requested, active: others, is_proven_empty: others === 0 }));
  else if (others === 0) console.log('the book is proven empty: no order is active');
  else {
    console.log(
      `what was to be cancelled is proven ended, but ${others} orders came meanwhile: router halt first`,
    );
  }
  return others === 0 ? 0 : 2;
}

/** Without it the orders wait for the sweep. */
async function wakeControl(router: Connected['router']): Promise<void> {
  const queues = chooseBackend({ ...router, databaseUrl: router.databaseDirectUrl });
  const control = queues.queue<JobData>(CONTROL_QUEUE);
  control.on('error', () => {});
  try {
    await addWakeJob(control, 0);
  } catch {
    console.error('the queue cannot be reached: the cancels go out with the next sweep');
  } finally {
    await control.close();
    await queues.close();
  }
}
