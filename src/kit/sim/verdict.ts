// Judges one seed after everything was healed and has come to rest: every intent is one order with a proven end, and the
// books are the exchange's.
import { sql } from 'kysely';
import { audit } from '../../app/audit.ts';
import { toAtoms } from '../../core/decimal.ts';
import { isFinal } from '../../core/status.ts';
import type { Truth } from '../../paper/truth.ts';
import type { Database } from '../../store/database.ts';
import { everyEvidence, type OrderStory } from '../../store/order-story.ts';
import type { Exchange } from './exchange.ts';
import type { Offer } from './offers.ts';
import { SETTINGS } from './submitter.ts';

export type Judged = {
  readonly db: Database;
  readonly exchange: Exchange;
  readonly owner: string;
  readonly tenantId: string;
  readonly offers: readonly Offer[];
  /** the indexer kept fills back for longer than the router can know of: it may have been late, and must have said so */
  readonly mayBeLate: boolean;
};

/** Nonces that the allocator gives out lie at most so far ahead of the newest block. */
const NONCE_AHEAD_MS = 20_000;

/** @returns what is wrong; empty: nothing */
export async function judge({ db, exchange, owner, tenantId, offers, mayBeLate }: Judged): Promise<string[]> {
  const truth = exchange.truth(owner);
  const wrong: string[] = [...exchange.broken];
  const stories: OrderStory[] = [];
  for await (const page of everyEvidence(db, tenantId)) stories.push(...page);
  const { unproven, mismatched } = await audit(pagesOf(stories), truth);
  const nameOf = new Map(stories.map(({ order }) => [order.id, order.client_id]));
  for (const { order, why } of unproven) wrong.push(`${nameOf.get(order) ?? order} is not proven: ${why}`);
  for (const { order, what } of mismatched)
    wrong.push(`${nameOf.get(order) ?? order} is not as the exchange has it: ${what}`);
  wrong.push(...whatIsLost(offers, stories, await rejectedClientIds(db, tenantId)));
  for (const story of stories) wrong.push(...whatIsOff(story, exchange, mayBeLate));
  wrong.push(...(await whatIsNotBooked(db, owner, truth)));
  wrong.push(...(await whatIsAlarmed(db, owner, mayBeLate)));
  return wrong;
}

/** Nobody else trades there, and an old list must not look like another quantity. */
async function whatIsAlarmed(db: Database, owner: string, mayBeLate: boolean): Promise<string[]> {
  const strangers = await db
    .selectFrom('unexplained_orders')
    .select('order_uuid')
    .where('owner', '=', owner)
    .execute();
  const incidents = await db
    .selectFrom('incidents as i')
    .innerJoin('orders as o', 'o.id', 'i.order_id')
    .select(['i.kind', 'o.client_id', 'i.details'])
    .where('o.owner', '=', owner)
    .execute();
  return [
    ...strangers.map(({ order_uuid }) => `order ${order_uuid} is not explained`),
    ...incidents
      .filter(({ kind }) => !(mayBeLate && (kind === 'late_fill' || kind === 'total_filled_differs')))
      .map(
        ({ kind, client_id, details }) => `${client_id} is an incident, ${kind}: ${JSON.stringify(details)}`,
      ),
  ];
}

async function* pagesOf(stories: readonly OrderStory[]): AsyncGenerator<readonly OrderStory[]> {
  yield stories;
}

async function rejectedClientIds(db: Database, tenantId: string): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('intent_rejections')
    .select('client_id')
    .where('tenant_id', '=', tenantId)
    .execute();
  return new Set(rows.flatMap(({ client_id }) => client_id ?? []));
}

/** Each offer is one order, or refused with a reason; never both, never neither, never two. */
function whatIsLost(
  offers: readonly Offer[],
  stories: readonly OrderStory[],
  rejected: ReadonlySet<string>,
): string[] {
  const byClientId = Map.groupBy(stories, ({ order }) => order.client_id);
  return offers.flatMap(({ intent: { client_id }, expected }) => {
    const orders = byClientId.get(client_id)?.length ?? 0;
    const isRejected = rejected.has(client_id);
    if (orders > 1) return [`${client_id} is ${orders} orders`];
    if (expected === 'order' && orders === 0)
      return [`${client_id} is lost${isRejected ? ': it was refused' : ''}`];
    if (expected === 'refused' && (orders > 0 || !isRejected)) return [`${client_id} was not refused`];
    if (orders === 0 && !isRejected) return [`${client_id} is lost without a word`];
    return [];
  });
}

/** The rules that no evidence of a single end shows. */
function whatIsOff({ order, attempts }: OrderStory, exchange: Exchange, mayBeLate: boolean): string[] {
  const wrong: string[] = [];
  const say = (what: string) => wrong.push(`${order.client_id} ${what}`);
  if (!isFinal(order.status)) say(`is ${order.status} and nothing goes on`);
  if (order.late_fill_at !== null && !mayBeLate) say('had ended before its last fill');
  const { good_til_block: last, first_good_til_block: first } = order;
  if (last !== null && first !== null && last > first + SETTINGS.resignWindowBlocks)
    say(`was signed ${last - first} blocks beyond its first good-til-block`);
  for (const { nonce, signed_height } of attempts) {
    const blockMs = exchange.blockTimeMs(Number(signed_height));
    if (nonce === null || blockMs === undefined) continue;
    const first = attempts.find((each) => each.nonce === nonce);
    if (first?.signed_height !== signed_height) continue;
    const aheadMs = Number(nonce) - blockMs;
    if (aheadMs < 0 || aheadMs > NONCE_AHEAD_MS)
      say(`has a nonce ${aheadMs} ms from the block it was signed at`);
  }
  return wrong;
}

/** Positions, offsets and unexplained fills are what the fills of the exchange make of them. */
async function whatIsNotBooked(db: Database, owner: string, truth: Truth): Promise<string[]> {
  const wrong: string[] = [];
  const held = new Map<string, bigint>();
  for (const { market, side, size } of truth.fills) {
    held.set(market, (held.get(market) ?? 0n) + toAtoms(size) * (side === 'BUY' ? 1n : -1n));
  }
  const positions = await db.selectFrom('positions').selectAll().where('owner', '=', owner).execute();
  const booked = new Map(positions.map(({ market, size }) => [market, toSignedAtoms(size)]));
  for (const market of new Set([...held.keys(), ...booked.keys()])) {
    if ((held.get(market) ?? 0n) !== (booked.get(market) ?? 0n))
      wrong.push(
        `the position in ${market} is ${booked.get(market) ?? 0n}, not ${held.get(market) ?? 0n} atoms`,
      );
  }
  const cursors = await db.selectFrom('reconcile_cursors').selectAll().where('owner', '=', owner).execute();
  const read = cursors.reduce((sum, { fills_read }) => sum + Number(fills_read), 0);
  if (read !== truth.fills.length) wrong.push(`${read} of ${truth.fills.length} fills were read`);
  const { rows } = await sql<{ reason: string }>`
    SELECT reason FROM unexplained_fills WHERE owner = ${owner}`.execute(db);
  for (const { reason } of rows) wrong.push(`a fill is not explained: ${reason}`);
  return wrong;
}

function toSignedAtoms(size: string): bigint {
  return size.startsWith('-') ? -toAtoms(size.slice(1)) : toAtoms(size);
}
