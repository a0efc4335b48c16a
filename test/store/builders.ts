// Orders, attempts, answers and fills as the store takes them, and sessions that hold locks while others wait.
import { createHash, randomUUID } from 'node:crypto';
import { type Insertable, sql } from 'kysely';
import pg from 'pg';
import { expect } from 'vitest';
import { type Intent, type IntentInput, intentHash, parseIntent } from '../../src/core/intent.ts';
import { CONDITIONAL, LONG_TERM, orderUuid, SHORT_TERM } from '../../src/core/order-uuid.ts';
import type { Fill } from '../../src/core/ports.ts';
import { NONCE_WINDOW_MS } from '../../src/core/proof.ts';
import type { OrderStatus } from '../../src/core/status.ts';
import { type NewAttempt, startAttempts } from '../../src/store/attempts.ts';
import { type CancelRequested, requestCancel } from '../../src/store/cancels.ts';
import { type Cursor, ensureCursor, toCursor } from '../../src/store/cursors.ts';
import type { Database } from '../../src/store/database.ts';
import type { AttemptOutcome } from '../../src/store/outcomes.ts';
import type { VenueReport } from '../../src/store/reconciling.ts';
import { type NewOrder, recordOrders } from '../../src/store/recording.ts';
import type { Orders } from '../../src/store/schema.ts';
import { type Absence, noteIncluded } from '../../src/store/stateful.ts';

let serial = 0;

export function nextName(word: string): string {
  serial += 1;
  return `${word}-${serial}`;
}

export const inMs = (ms: number): Date => new Date(Date.now() + ms);

export function intentOf(changes: Partial<IntentInput> = {}): Intent {
  const input = {
    client_id: nextName('c'),
    market: 'BTC-USD',
    side: 'BUY',
    type: 'LIMIT',
    size: '10',
    price: '60000',
    good_til_blocks: 20,
    ...changes,
  };
  const parsed = parseIntent(input);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusals));
  return parsed.intent;
}

export const immediate = {
  type: 'MARKET',
  price: undefined,
  good_til_blocks: undefined,
} as const satisfies Partial<IntentInput>;

/** A stateful order: it has a time in place of its blocks. */
export const longTerm = () =>
  ({
    good_til_blocks: undefined,
    good_til_time: inMs(3_600_000).toISOString(),
  }) satisfies Partial<IntentInput>;

export type AttemptChanges = {
  readonly attempt?: number;
  readonly owner?: string;
  /** the venue's */
  readonly clientId?: number;
  readonly goodTilBlock?: number;
  readonly signedHeight?: number;
  /** of a stateful order, in place of the good-til-block */
  readonly nonce?: number;
  /** of a conditional one */
  readonly triggerSubticks?: bigint;
};

let venueClientId = 0;
let newestNonce = Date.now();

/** As the allocator gives them: later than all before. */
export function nextNonce(): number {
  newestNonce += 1;
  return newestNonce;
}

/** Signed at block 100 for good-til-block 120, with bytes that hash to tx.hash. */
export function attemptOf(changes: AttemptChanges = {}): NewAttempt {
  const { attempt = 1, owner = 'dydx1owner', goodTilBlock = 120, signedHeight = 100, nonce } = changes;
  const { triggerSubticks } = changes;
  venueClientId += 1;
  const id = {
    owner,
    subaccountNumber: 0,
    clientId: changes.clientId ?? venueClientId,
    clobPairId: 0,
    orderFlags: nonce === undefined ? SHORT_TERM : triggerSubticks === undefined ? LONG_TERM : CONDITIONAL,
  };
  const bytes = Buffer.from(`${owner}/${id.clientId}/${attempt}/${nonce ?? goodTilBlock}`);
  const lifetime =
    nonce === undefined ? { goodTilBlock } : { goodTilBlockTime: Math.floor(Date.now() / 1000) + 3_600 };
  return {
    orderUuid: orderUuid(id),
    nonce,
    signedHeight,
    order: {
      id,
      side: 'BUY',
      quantums: 10_000_000_000n,
      subticks: 6_000_000_000n,
      timeInForce: 'GTT',
      reduceOnly: false,
      clientMetadata: 0,
      condition: triggerSubticks === undefined ? undefined : { type: 'STOP_LOSS', triggerSubticks },
      ...lifetime,
    },
    tx: { bytes, hash: createHash('sha256').update(bytes).digest('hex').toUpperCase() },
  };
}

export function newOrder(
  changes: Partial<IntentInput> = {},
  attempt: NewAttempt | undefined = undefined,
): NewOrder {
  const intent = intentOf(changes);
  return {
    id: randomUUID(),
    intent,
    intentHash: intentHash(intent),
    enqueuedAt: new Date(),
    submitBy: inMs(300_000),
    wakeAt: inMs(6_000),
    attempt,
  };
}

/** Recorded, nothing signed. */
export async function unsigned(db: Database, changes: Partial<IntentInput> = {}): Promise<NewOrder> {
  const order = newOrder(changes);
  expect(await recordOrders(db, [order])).toEqual(['recorded']);
  return order;
}

export type SignedOrder = NewOrder & { readonly attempt: NewAttempt };

/** Recorded with its first attempt: PENDING, first and only good-til-block 120. */
export async function signed(
  db: Database,
  changes: Partial<IntentInput> = {},
  attempt: AttemptChanges = {},
): Promise<SignedOrder> {
  const order = { ...newOrder(changes), attempt: attemptOf(attempt) };
  expect(await recordOrders(db, [order])).toEqual(['recorded']);
  return order;
}

export type SignedStateful = SignedOrder & { readonly attempt: { readonly nonce: number } };

/** Recorded with its first attempt: PENDING, long-term, with a nonce of its own. */
export async function signedStateful(
  db: Database,
  attempt: AttemptChanges = {},
  changes: Partial<IntentInput> = {},
): Promise<SignedStateful> {
  const nonce = attempt.nonce ?? nextNonce();
  const order = {
    ...newOrder({ ...longTerm(), ...changes }),
    attempt: { ...attemptOf({ ...attempt, nonce }), nonce },
  };
  expect(await recordOrders(db, [order])).toEqual(['recorded']);
  return order;
}

/** The same order with the same nonce and another memo, or with another nonce. */
export function siblingOf(order: SignedStateful, attempt: number, nonce: number = order.attempt.nonce) {
  const { owner, clientId } = order.attempt.order.id;
  return {
    ...attemptOf({ owner, clientId, nonce, attempt, signedHeight: 101 }),
    id: order.id,
    wakeAt: inMs(6_000),
  };
}

/** @returns whether it may be sent */
export async function signSibling(
  db: Database,
  order: SignedStateful,
  attempt: number,
  nonce?: number,
): Promise<boolean> {
  const sibling = siblingOf(order, attempt, nonce);
  return (await startAttempts(db, [sibling], 40)).has(sibling.tx.hash);
}

/** Of nothing that was signed with the nonce is any on chain up to block 200, whose time is past its window. */
export const absenceOf = (
  order: SignedStateful,
  attemptCount: number,
  nonce: number = order.attempt.nonce,
): Absence => ({
  id: order.id,
  nonce,
  attemptCount,
  height: 200,
  time: new Date(nonce + NONCE_WINDOW_MS + 1),
});

/** Its first attempt was carried out in block 105. */
export async function include(db: Database, order: SignedStateful, height = 105): Promise<void> {
  await noteIncluded(db, { id: order.id, hash: order.attempt.tx.hash, height, wakeAt: inMs(1_000) });
}

/** The same order, to be sent with another good-til-block. */
export function resignOf(order: SignedOrder, goodTilBlock: number, attempt = 2) {
  const { owner, clientId } = order.attempt.order.id;
  return {
    ...attemptOf({ owner, clientId, goodTilBlock, attempt, signedHeight: 101 }),
    id: order.id,
    wakeAt: inMs(6_000),
  };
}

export async function resign(db: Database, order: SignedOrder, goodTilBlock: number, attempt = 2) {
  const again = resignOf(order, goodTilBlock, attempt);
  return (await startAttempts(db, [again], 40)).has(again.tx.hash);
}

/** "accepted" in answer to the first attempt, unless changed. */
export function answerOf(
  order: { readonly id: string },
  changes: Partial<AttemptOutcome> = {},
): AttemptOutcome {
  return {
    id: order.id,
    attempt: 1,
    outcome: 'accepted',
    codespace: null,
    code: 0,
    log: '',
    answeredAt: new Date(),
    wakeAt: null,
    rejection: undefined,
    ...changes,
  };
}

/** A refusal for good, as judge() makes one for a first transmission. */
export function refusalOf(order: SignedOrder, changes: Partial<AttemptOutcome> = {}): AttemptOutcome {
  const [codespace, code, log] = ['clob', 2003, 'post-only would cross'];
  const tx_hash = order.attempt.tx.hash;
  return answerOf(order, {
    outcome: 'refused',
    codespace,
    code,
    log,
    rejection: { rule: 'refused', codespace, code, log, tx_hash },
    ...changes,
  });
}

export async function orderRow(db: Database, order: { readonly id: string }) {
  return db.selectFrom('orders').selectAll().where('id', '=', order.id).executeTakeFirstOrThrow();
}

export async function attemptsOf(db: Database, order: { readonly id: string }) {
  return db
    .selectFrom('order_attempts')
    .selectAll()
    .where('order_id', '=', order.id)
    .orderBy('attempt')
    .execute();
}

export async function fillsOf(db: Database, order: { readonly id: string }) {
  return db
    .selectFrom('order_fills')
    .selectAll()
    .where('order_id', '=', order.id)
    .orderBy('height')
    .execute();
}

export async function historyOf(db: Database, order: { readonly id: string }) {
  return db
    .selectFrom('order_status_history')
    .selectAll()
    .where('order_id', '=', order.id)
    .orderBy('seq')
    .execute();
}

export function cancelOrder(db: Database, { intent }: Pick<NewOrder, 'intent'>): Promise<CancelRequested> {
  return requestCancel(db, intent.tenant_id, intent.client_id);
}

/** A fill of 1 in block 110, provably the order's. */
export function fillOf(order: SignedOrder, changes: Partial<Fill> = {}): Fill {
  return {
    id: randomUUID(),
    orderUuid: order.attempt.orderUuid,
    market: order.intent.market,
    side: order.intent.side,
    size: '1',
    price: '60000',
    fee: '-0.01',
    liquidity: 'MAKER',
    type: 'LIMIT',
    height: 110,
    createdAt: new Date('2026-03-04T05:06:07Z'),
    ...changes,
  };
}

/** @param owner absent: the only one there is */
export async function cursorOf(db: Database, owner?: string): Promise<Cursor> {
  const rows = await db
    .selectFrom('reconcile_cursors')
    .selectAll()
    .$if(owner !== undefined, (query) => query.where('owner', '=', owner ?? ''))
    .execute();
  const [row] = rows;
  if (row === undefined || rows.length > 1) throw new Error(`${rows.length} cursors of ${owner ?? 'all'}`);
  return toCursor(row);
}

export async function newCursor(db: Database, owner: string, startHeight = 90): Promise<Cursor> {
  await ensureCursor(db, { owner, subaccountNumber: 0 }, startHeight);
  return cursorOf(db, owner);
}

export function reportOf(cursor: Cursor, fills: readonly Fill[], height?: number): VenueReport {
  return {
    cursor,
    fills,
    fillsRead: cursor.fillsRead + fills.length,
    lastFillId: fills.at(-1)?.id ?? cursor.lastFillId,
    height,
  };
}

const placed = { placed_at: new Date() };
const atEnd = { status_reason: 'test', next_wake_at: null };
const dead = JSON.stringify({ rule: 'dead', height: 121, good_til_block: 120, fills: 1 });

/** For rows that no use case would write: what the CHECK constraints ask of a row in this status, of a size of 10. */
export const STATE_OF = {
  PENDING: { filled_size: '0', resolution: null },
  OPEN: { filled_size: '0', resolution: null, ...placed },
  PARTIALLY_FILLED: { filled_size: '4', resolution: null },
  FILLED: {
    filled_size: '10',
    resolution: JSON.stringify({ rule: 'filled', height: 110, fills: 1 }),
    filled_at: new Date(),
    ...atEnd,
  },
  CANCELLED: { filled_size: '4', resolution: dead, cancelled_at: new Date(), ...atEnd },
  REJECTED: {
    filled_size: '0',
    resolution: JSON.stringify({ rule: 'refused', codespace: 'clob', code: 2003, log: '', tx_hash: 'AB' }),
    ...atEnd,
  },
  EXPIRED: { filled_size: '4', resolution: dead, ...atEnd },
} as const satisfies Record<OrderStatus, Partial<Insertable<Orders>>>;

let venueIdentity = 0;

/** Of an order that was signed once, for good-til-block 120. */
export function signedColumns() {
  venueIdentity += 1;
  return {
    order_id: `venue-${venueIdentity}`,
    owner: 'dydx1row',
    dydx_client_id: venueIdentity,
    clob_pair_id: 0,
    order_flags: 0,
    quantums: 1,
    subticks: 1,
    first_good_til_block: 120,
    good_til_block: 120,
    attempt_count: 1,
  } as const;
}

/** Of a long-term order that was signed once. */
export function statefulColumns() {
  return {
    ...signedColumns(),
    order_flags: LONG_TERM,
    first_good_til_block: null,
    good_til_block: null,
    nonce: nextNonce(),
    good_til_time: inMs(86_400_000),
  } as const;
}

type Row = Partial<Insertable<Orders> & { tenant_id: string }>;

/** How long it may live, as its type asks for it. */
function goodTilOf({ type = 'LIMIT', time_in_force = 'GTT', good_til_time }: Row) {
  if (type === 'MARKET' || (type === 'LIMIT' && time_in_force !== 'GTT')) return {};
  if (type === 'LIMIT') return good_til_time == null ? { good_til_blocks: 20 } : {};
  return { good_til_time: inMs(86_400_000) };
}

/** A LIMIT order of 10 that satisfies every constraint, with its key; signed once unless it is PENDING. */
export async function insertRow(db: Database, changes: Row = {}) {
  const status = changes.status ?? 'PENDING';
  const isSigned = status !== 'PENDING';
  const row = {
    id: randomUUID(),
    tenant_id: 'default',
    client_id: nextName('row'),
    market: 'BTC-USD',
    side: 'BUY' as const,
    type: 'LIMIT' as const,
    size: '10',
    price: '60000',
    ...goodTilOf(changes),
    status,
    ...(isSigned ? signedColumns() : {}),
    ...STATE_OF[status],
    ...changes,
  };
  await insertWithKeys(db, [row]);
  return { id: row.id };
}

type KeyedRow = Insertable<Orders> & { readonly tenant_id: string };

/** Their keys first, in a transaction: a row that is refused leaves no spent key. */
export async function insertWithKeys(db: Database, rows: readonly KeyedRow[]): Promise<void> {
  const intent_hash = 'a'.repeat(64);
  const keys = rows
    // An empty name is refused by the key as well: the order's own refusal is what is asked about.
    .filter((row) => row.client_id !== '' && row.tenant_id !== '')
    .map(({ id, tenant_id, client_id }) => ({ tenant_id, client_id, order_id: id, intent_hash }));
  const insert = async (trx: Database) => {
    if (keys.length > 0) await trx.insertInto('order_keys').values(keys).execute();
    await trx.insertInto('orders').values(rows).execute();
  };
  await (db.isTransaction ? insert(db) : db.transaction().execute(insert));
}

/** Signs it on the way, where the status needs that. */
export async function setStatus(
  db: Database,
  order: { readonly id: string },
  status: OrderStatus,
  changes: Partial<Insertable<Orders>> = {},
) {
  const { attempt_count } = await orderRow(db, order);
  const isToSign = attempt_count === 0 && status !== 'PENDING';
  await db
    .updateTable('orders')
    .set({
      cancelled_at: null,
      filled_at: null,
      placed_at: null,
      ...STATE_OF[status],
      ...(isToSign ? signedColumns() : {}),
      ...changes,
      status,
    })
    .where('id', '=', order.id)
    .execute();
}

export type Session = AsyncDisposable & pg.Client;

/** A connection outside the pool, e.g. to hold a lock. */
export async function openSession(url: string): Promise<Session> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => {});
  await client.connect();
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.end() });
}

/** Resolves when that many sessions of this database wait for a lock. @returns their process ids */
export async function untilBlocked(db: Database, count = 1): Promise<number[]> {
  const query = sql<{ pid: number }>`SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  let pids: number[] = [];
  await expect
    .poll(
      async () => {
        pids = (await query.execute(db)).rows.map((row) => row.pid);
        return pids.length;
      },
      { interval: 5 },
    )
    .toBe(count);
  return pids;
}
