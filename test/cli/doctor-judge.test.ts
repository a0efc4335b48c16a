// What the doctor makes of facts: one example on each side of every limit.
import { describe, expect, test } from 'vitest';
import * as judge from '../../src/cli/doctor-judge.ts';
import type { RedisFacts } from '../../src/queue/inspect-redis.ts';
import type { DatabaseFacts } from '../../src/store/inspect.ts';

const DATABASE: DatabaseFacts = {
  versionNumber: 150_018,
  version: '15.18',
  role: 'router',
  fsync: 'on',
  synchronousCommit: 'on',
  fullPageWrites: 'on',
  isInRecovery: false,
  maxConnections: 100,
  reservedConnections: 3,
  usedConnections: 20,
  extensions: ['plpgsql'],
  canCreate: true,
  actsAs: [],
  statementTimeoutMs: 30_000,
  clockAheadMs: 3,
};
const REDIS: RedisFacts = {
  kind: 'single',
  version: 'redis 7.0.15',
  mode: 'standalone',
  policy: 'noeviction',
  isAppendOnly: true,
  appendfsync: 'always',
  isAofBroken: false,
  minReplicasToWrite: 0,
  usedMemory: '1.1M',
};

test('Node', () => {
  expect(judge.judgeNode('v24.0.0').status).toBe('ok');
  expect(judge.judgeNode('v22.20.1')).toMatchObject({
    status: 'FAIL',
    todo: expect.stringContaining('npx router'),
  });
});

describe('the database', () => {
  const of = (changes: Partial<DatabaseFacts>) => ({ ...DATABASE, ...changes });

  test('version', () => {
    expect(judge.judgeDatabaseVersion(of({})).status).toBe('ok');
    expect(judge.judgeDatabaseVersion(of({ versionNumber: 140_012 })).status).toBe('FAIL');
  });

  test('durability', () => {
    expect(judge.judgeDurability(of({})).status).toBe('ok');
    expect(judge.judgeDurability(of({ fsync: 'off' })).status).toBe('warn');
    expect(judge.judgeDurability(of({ fullPageWrites: 'off' })).status).toBe('warn');
    expect(judge.judgeDurability(of({ synchronousCommit: 'off' })).status).toBe('warn');
    expect(judge.judgeDurability(of({ isInRecovery: true })).status).toBe('FAIL');
  });

  test.each([
    [0, 'ok'],
    [-1_000, 'ok'],
    [1_001, 'warn'],
    [-5_000, 'warn'],
    [5_001, 'FAIL'],
  ] as const)('a clock that is ahead by %i ms: %s', (clockAheadMs, status) => {
    expect(judge.judgeDatabaseClock(of({ clockAheadMs })).status).toBe(status);
  });

  test('connections: max − reserved − used, by what a submitter takes', () => {
    expect(judge.judgeConnections(of({}), 21)).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('room for 3 more'),
    });
    expect(judge.judgeConnections(of({ usedConnections: 56 }), 21)).toMatchObject({
      status: 'warn',
      found: expect.stringContaining('room for 1 more'),
    });
    expect(judge.judgeConnections(of({ usedConnections: 100 }), 21).found).toContain('room for 0 more');
  });

  test('rights, ownership, schema, installation, extensions', () => {
    expect(judge.judgeRights(of({}), []).status).toBe('ok');
    expect(judge.judgeRights(of({}), ['UPDATE on orders'])).toMatchObject({
      status: 'FAIL',
      found: 'router lacks UPDATE on orders',
    });
    expect(judge.judgeOwnership(of({}), []).status).toBe('ok');
    expect(judge.judgeOwnership(of({}), ['orders']).status).toBe('warn');
    expect(judge.judgeOwnership(of({ canCreate: false }), []).status).toBe('warn');
    const worker = of({ canCreate: false, actsAs: ['cryptopulse_worker'] });
    expect(judge.judgeRights(worker, []).found).toContain('cryptopulse_worker may');
    expect(judge.judgeOwnership(worker, ['orders'])).toMatchObject({
      status: 'ok',
      found: expect.stringContaining('others do'),
    });
    const maintenance = of({ canCreate: false, actsAs: ['cryptopulse_maintenance'] });
    expect(judge.judgeOwnership(maintenance, []).found).toBe('router may vacuum');
    expect(judge.judgeOwnership(maintenance, ['orders']).status).toBe('warn');
    expect(judge.judgePooling(of({ statementTimeoutMs: 0 }), false).status).toBe('ok');
    expect(judge.judgePooling(of({ statementTimeoutMs: 0 }), true)).toMatchObject({
      status: 'warn',
      todo: expect.stringContaining('--grant'),
    });
    expect(judge.judgePooling(of({}), true).status).toBe('ok');
    expect(judge.judgeSchema(undefined, ['000001_orders']).status).toBe('ok');
    expect(judge.judgeSchema('the database lacks a, b: run `router migrate`', [])).toEqual({
      status: 'FAIL',
      found: 'the database lacks a, b',
      todo: 'run `router migrate`',
    });
    expect(judge.judgeInstallation('a', 'a').status).toBe('ok');
    expect(judge.judgeInstallation(undefined, 'a').status).toBe('ok');
    expect(judge.judgeInstallation('b', 'a').status).toBe('FAIL');
    expect(judge.judgeExtensions(of({ extensions: ['pg_stat_statements'] })).found).toBe(
      'pg_stat_statements',
    );
    expect(judge.judgeExtensions(of({})).status).toBe('ok');
  });
});

describe('the venue', () => {
  const now = Date.UTC(2026, 0, 1);

  test('chain', () => {
    expect(judge.judgeChain('a', 'a').status).toBe('ok');
    expect(judge.judgeChain('b', 'a').status).toBe('FAIL');
  });

  test.each([
    [1_000, 'ok'],
    [-5_000, 'ok'],
    [-5_001, 'FAIL'],
    [5_001, 'warn'],
    [15_001, 'FAIL'],
  ] as const)('a block that is %i ms old: %s', (ageMs, status) => {
    expect(judge.judgeBlock({ height: 7, time: new Date(now - ageMs) }, now).status).toBe(status);
  });

  test.each([
    [100, 100, 'ok'],
    [90, 100, 'ok'],
    [89, 100, 'warn'],
    [120, 100, 'ok'],
    [121, 100, 'warn'],
    [5, undefined, 'ok'],
  ] as const)('an indexer at %s, the validator at %s: %s', (height, chainHeight, status) => {
    expect(judge.judgeIndexer(height, chainHeight).status).toBe(status);
  });

  test('indexer budget', () => {
    expect(judge.judgeBudget(undefined, 1_000).found).toMatch(/^not told; .* about 20 in 10 s/);
    expect(judge.judgeBudget({ remaining: 99, limit: 100 }, 1_000)).toMatchObject({
      status: 'ok',
      found: expect.stringMatching(/^99 of 100 requests left/),
    });
    expect(judge.judgeBudget({ remaining: 19, limit: undefined }, 1_000).status).toBe('warn');
  });
});

describe('Redis', () => {
  const of = (...changes: Partial<RedisFacts>[]) => changes.map((change) => ({ ...REDIS, ...change }));

  test.each([
    ['redis 7.0.15', 'ok'],
    ['redis 6.2.0', 'ok'],
    ['redis 6.0.16', 'warn'],
    ['redis 4.0.14', 'FAIL'],
    ['valkey 8.0.1', 'ok'],
    ['redis ?', 'ok'],
  ] as const)('%s: %s', (version, status) => {
    expect(judge.judgeRedisVersion(of({ version })).status).toBe(status);
  });

  test('another kind than the URL says', () => {
    expect(judge.judgeRedisVersion(of({ mode: 'cluster' })).todo).toContain('redis-cluster://');
    expect(
      judge.judgeRedisVersion(of({ mode: 'cluster', kind: 'cluster' }, { kind: 'cluster' })).status,
    ).toBe('ok');
    expect(judge.judgeRedisVersion(of({ mode: 'sentinel' })).todo).toContain('redis-sentinel://');
  });

  test('eviction and persistence fail in production and warn elsewhere', () => {
    const evicting = of({}, { policy: 'allkeys-lru' });
    const forgetful = of({ isAppendOnly: false });
    expect(judge.judgeRedisEviction(of({}), true).status).toBe('ok');
    expect(judge.judgeRedisEviction(of({ policy: undefined }), true)).toMatchObject({
      status: 'FAIL',
      found: 'maxmemory-policy not told',
    });
    expect(judge.judgeRedisPersistence(of({ isAppendOnly: undefined }), false).status).toBe('warn');
    expect(judge.judgeRedisEviction(evicting, true).status).toBe('FAIL');
    expect(judge.judgeRedisEviction(evicting, false).status).toBe('warn');
    expect(judge.judgeRedisPersistence(of({}), true).status).toBe('ok');
    expect(judge.judgeRedisPersistence(forgetful, true).status).toBe('FAIL');
    expect(judge.judgeRedisPersistence(forgetful, false).status).toBe('warn');
    expect(judge.judgeRedisPersistence(of({ isAofBroken: true }), false).status).toBe('FAIL');
    expect(judge.judgeRedisPersistence(of({ appendfsync: 'everysec' }), true).status).toBe('warn');
    expect(judge.judgeRedisPersistence(of({ appendfsync: undefined }), true).found).toContain('not told');
    expect(judge.judgeRedisPersistence(of({ kind: 'sentinel' }), true).todo).toContain('failover');
    expect(judge.judgeRedisPersistence(of({ kind: 'sentinel', minReplicasToWrite: 1 }), true).status).toBe(
      'ok',
    );
  });
});

test('heartbeats: a queue that nobody consumes is named', () => {
  const beat = (queue: string, ageMs: number) => ({ queue, ageMs, transitMs: 1 });
  const queues = ['orders', 'maintenance'];
  expect(judge.judgeHeartbeats([beat('orders', 900), beat('maintenance', 0)], queues, 60_000)).toEqual({
    status: 'ok',
    found: 'orders 1 s ago, maintenance 0 s ago',
    todo: '',
  });
  expect(judge.judgeHeartbeats([beat('orders', 60_001)], queues, 60_000).todo).toBe(
    'is a worker of orders and maintenance running?',
  );
});

test('maintenance: what failed is named, and that nobody has ever done any', () => {
  const done = { task: 'vacuum', hasFailed: false, lastDoneAt: new Date(0) };
  expect(judge.judgeMaintenance([done, { ...done, task: 'analyze' }])).toEqual({
    status: 'ok',
    found: 'done: analyze, vacuum',
    todo: '',
  });
  expect(judge.judgeMaintenance([done, { ...done, task: 'archive', hasFailed: true }])).toMatchObject({
    status: 'warn',
    found: 'archive failed',
  });
  expect(judge.judgeMaintenance([{ task: 'backup', hasFailed: false, lastDoneAt: null }]).todo).toContain(
    'deploy/crontab',
  );
});
