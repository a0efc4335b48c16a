// What operators and tools are told of orders: all of it, once, in pages, and nothing of anybody else's.
import { afterAll, describe, expect, test } from 'vitest';
import { type OrderStatus, STATUSES } from '../../src/core/status.ts';
import {
  countByStatus,
  everyEvidence,
  findOrder,
  latestRejections,
  listOrders,
  type OrderEvidence,
  type OrderFilter,
  rejectedSince,
  standings,
  totals,
} from '../../src/store/reads.ts';
import { recordRejections } from '../../src/store/rejections.ts';
import { createDatabase } from '../support/databases.ts';
import { insertRow, nextName, setStatus, signed, unsigned } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const keyOf = (order: { readonly intent: { readonly tenant_id: string; readonly client_id: string } }) => ({
  tenant_id: order.intent.tenant_id,
  client_id: order.intent.client_id,
});

describe('a list of orders', () => {
  /** Five, newest first; two of them made at one time. */
  async function five(market: string): Promise<string[]> {
    const times = ['05:04', '05:03', '05:02', '05:02', '05:01'];
    const statuses: OrderStatus[] = ['OPEN', 'FILLED', 'OPEN', 'EXPIRED', 'OPEN'];
    const rows = times.map(async (time, n) => ({
      ...(await insertRow(db, {
        market,
        status: statuses[n] ?? 'OPEN',
        created_at: new Date(`2026-03-04T${time}:00Z`),
      })),
      time,
    }));
    const made = await Promise.all(rows);
    return made
      .toSorted((a, b) => (b.time === a.time ? (b.id < a.id ? -1 : 1) : b.time < a.time ? -1 : 1))
      .map(({ id }) => id);
  }
  const ids = async (filter: OrderFilter) => (await listOrders(db, filter)).map(({ id }) => id);

  test('is newest first, and pages of any size make up the whole without a gap or a repeat', async () => {
    const market = nextName('M');
    const expected = await five(market);
    expect(await ids({ market, limit: 10 })).toEqual(expected);
    for (const limit of [1, 2, 3]) {
      const read: string[] = [];
      for (;;) {
        const page = await ids({ market, limit, after: read.at(-1) });
        expect(page.length).toBeLessThanOrEqual(limit);
        if (page.length === 0) break;
        read.push(...page);
      }
      expect(read).toEqual(expected);
    }
  });

  test('holds only the market and the status that were asked for', async () => {
    const market = nextName('M');
    await five(market);
    const open = await listOrders(db, { market, status: 'OPEN', limit: 10 });
    expect(open.map(({ status }) => status)).toEqual(['OPEN', 'OPEN', 'OPEN']);
    expect(await ids({ market: nextName('M'), limit: 10 })).toEqual([]);
  });
});

describe('one order', () => {
  test('comes with its attempts and its history', async () => {
    const order = await signed(db);
    await setStatus(db, order, 'OPEN');
    const story = await findOrder(db, order.intent.tenant_id, order.intent.client_id);
    expect(story?.order.id).toBe(order.id);
    expect(story?.attempts.map(({ tx_hash }) => tx_hash)).toEqual([order.attempt.tx.hash]);
    expect(story?.history.map(({ new_status }) => new_status)).toEqual(['PENDING', 'OPEN']);
    expect(story?.fills).toEqual([]);
  });

  test('is nobody else’s: another tenant finds nothing', async () => {
    const order = await signed(db);
    expect(await findOrder(db, nextName('tenant'), order.intent.client_id)).toBeUndefined();
  });
});

test('the evidence of every order comes once, in id order, each with its own attempts', async () => {
  await using own = await createDatabase();
  const orders = [await signed(own.db), await unsigned(own.db), await signed(own.db)];
  const read: OrderEvidence[] = [];
  for await (const page of everyEvidence(own.db)) read.push(...page);
  expect(read.map(({ order }) => order.id)).toEqual(orders.map(({ id }) => id).toSorted());
  for (const { order, attempts, fills } of read) {
    const hash = orders.find(({ id }) => id === order.id)?.attempt?.tx.hash;
    expect(attempts.map(({ tx_hash }) => tx_hash)).toEqual(hash === undefined ? [] : [hash]);
    expect(fills).toEqual([]);
  }
});

test('standings tell the status of the keys that have a row', async () => {
  const open = await signed(db);
  const pending = await unsigned(db);
  await setStatus(db, open, 'OPEN');
  const asked = [keyOf(open), keyOf(pending), { tenant_id: 'default', client_id: nextName('none') }];
  const told = await standings(db, asked);
  expect(new Map(told.map((row) => [row.client_id, row.status]))).toEqual(
    new Map([
      [open.intent.client_id, 'OPEN'],
      [pending.intent.client_id, 'PENDING'],
    ]),
  );
});

describe('refusals', () => {
  const refusal = (reason: string) => [{ field: 'size', code: 'schema', reason }];
  const keep = (client_id: string, source: string, reason: string, tenantId?: string) =>
    recordRejections(db, [
      { tenantId, clientId: client_id, source, refusals: refusal(reason), payload: '{}' },
    ]);

  test('of a client id are told newest first, as many as were asked for', async () => {
    const client_id = nextName('refused');
    for (const reason of ['one', 'two', 'three']) await keep(client_id, nextName('cli'), reason);
    const told = await latestRejections(db, 'default', client_id, 2);
    expect(told.map(({ refusals }) => refusals[0]?.reason)).toEqual(['three', 'two']);
    expect(await latestRejections(db, nextName('tenant'), client_id, 2)).toEqual([]);
  });

  test('since a time are those of place jobs only, one a key, of the tenant that was asked about', async () => {
    const before = new Date(Date.now() - 60_000);
    const [byJob, byCli, foreign] = [nextName('job'), nextName('cli'), nextName('foreign')];
    await keep(byJob, `p-${nextName('job')}#0`, 'one');
    await keep(byJob, `p-${nextName('job')}#0`, 'two');
    await keep(byCli, `cli-${nextName('run')}#0`, 'not a job');
    await keep(foreign, `p-${nextName('job')}#0`, 'another tenant', 'somebody');
    const keys = [byJob, byCli, foreign].map((client_id) => ({ tenant_id: 'default', client_id }));
    expect((await rejectedSince(db, keys, before)).map(({ client_id }) => client_id)).toEqual([byJob]);
    expect(await rejectedSince(db, keys, new Date(Date.now() + 60_000))).toEqual([]);
    const theirs = [{ tenant_id: 'somebody', client_id: foreign }];
    expect(await rejectedSince(db, theirs, before)).toMatchObject(theirs);
  });
});

describe('figures of the whole database', () => {
  test('count every status, also those without an order', async () => {
    await using own = await createDatabase();
    const nothing = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    expect(await countByStatus(own.db)).toEqual(nothing);
    await insertRow(own.db, { status: 'OPEN' });
    await insertRow(own.db, { status: 'OPEN' });
    await insertRow(own.db, { status: 'EXPIRED' });
    expect(await countByStatus(own.db)).toEqual({ ...nothing, OPEN: 2, EXPIRED: 1 });
  });

  test('know no latency before the first signature, and one after it', async () => {
    await using own = await createDatabase();
    expect(await totals(own.db)).toEqual({ fills: 0, history_rows: 0, p50_ms: null, p99_ms: null });
    await signed(own.db);
    const after = await totals(own.db);
    expect(after).toMatchObject({ fills: 0, history_rows: 1 });
    expect(after.p50_ms).toBeGreaterThanOrEqual(0);
    expect(after.p99_ms).toBe(after.p50_ms);
  });
});
