// What became of what was offered: standings by key, and refusals.
import { afterAll, describe, expect, test } from 'vitest';
import { recordRejections } from '../../src/store/rejections.ts';
import { latestRejections, rejectedSince, standings } from '../../src/store/standings.ts';
import { createDatabase } from '../support/databases.ts';
import { nextName, setStatus, signed, unsigned } from './builders.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

const keyOf = (order: { readonly intent: { readonly tenant_id: string; readonly client_id: string } }) => ({
  tenant_id: order.intent.tenant_id,
  client_id: order.intent.client_id,
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
