// Counts by status, of a tenant and since a time, and the totals of a database.
import { describe, expect, test } from 'vitest';
import { STATUSES } from '../../src/core/status.ts';
import { countByStatus, totals } from '../../src/store/order-counts.ts';
import { createDatabase } from '../support/databases.ts';
import { insertRow, signed } from './builders.ts';

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

  test('of one tenant and since a time leave out the others', async () => {
    await using own = await createDatabase();
    const nothing = Object.fromEntries(STATUSES.map((status) => [status, 0]));
    const since = new Date('2026-03-04T05:06:07.000Z');
    const made = (tenant_id: string, offsetMs: number) =>
      insertRow(own.db, { tenant_id, status: 'OPEN', created_at: new Date(since.getTime() + offsetMs) });
    await Promise.all([made('a', -1), made('a', 0), made('a', 1), made('b', 1)]);
    expect(await countByStatus(own.db, { tenantId: 'a', since })).toEqual({ ...nothing, OPEN: 2 });
    expect(await countByStatus(own.db, { since })).toEqual({ ...nothing, OPEN: 3 });
    expect(await countByStatus(own.db, { tenantId: 'a' })).toEqual({ ...nothing, OPEN: 3 });
    expect(await countByStatus(own.db, { tenantId: 'c' })).toEqual(nothing);
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
