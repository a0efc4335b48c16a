// A Redis that may lose jobs which it has acknowledged: refused in production, a warning in development.
import { expect, test } from 'vitest';
import { startRedisServer } from '../../src/kit/lab/redis-server.ts';
import { hazardsIn } from '../../src/queue/redis-hazards.ts';
import { startWorkerProcess } from '../cli/worker-process.ts';
import { createDatabase } from '../support/databases.ts';
import { useQueue } from './redis-use.ts';

const EVICTS = /evicts keys.*maxmemory-policy allkeys-lru.*set noeviction/;
const UNKNOWN_POLICY = /^cannot tell whether Redis evicts keys.*INFO is refused or incomplete/;
const UNKNOWN_AOF = /^cannot tell whether Redis writes each job to its disk: INFO is refused or incomplete/;
const FORGETS = /appendonly no.*set appendonly yes/;

test.each([
  ['maxmemory_policy:noeviction\r\naof_enabled:1\r\n', []],
  ['maxmemory_policy:allkeys-lru\r\naof_enabled:1\r\n', [EVICTS]],
  ['aof_enabled:0\r\nmaxmemory_policy:noeviction', [FORGETS]],
  ['maxmemory_policy:allkeys-lru\naof_enabled:0\n', [EVICTS, FORGETS]],
  // A hosted server that shows neither.
  ['used_memory:1\r\n', [UNKNOWN_POLICY, UNKNOWN_AOF]],
  ['maxmemory_policy:noeviction\r\n', [UNKNOWN_AOF]],
  ['aof_enabled:1\r\n', [UNKNOWN_POLICY]],
  ['', [UNKNOWN_POLICY, UNKNOWN_AOF]],
])('%j', (info, hazards) => {
  const found = hazardsIn(info);
  expect(found).toHaveLength(hazards.length);
  for (const [index, hazard] of hazards.entries()) expect(found[index]).toMatch(hazard);
});

test('a Redis whose user may not ask INFO is not taken for a safe one', async () => {
  await using server = await startRedisServer({
    args: ['--user', 'app', 'on', '>secret', '~*', '&*', '+@all', '-info'],
  });
  await using queue = useQueue(server.url.replace('//', '//app:secret@'));
  expect(await queue.backend.hazards()).toEqual([
    expect.stringMatching(UNKNOWN_POLICY),
    expect.stringMatching(UNKNOWN_AOF),
  ]);
});

test.each([
  ['evicts', ['--maxmemory-policy', 'allkeys-lru'], EVICTS],
  ['has no append-only file', ['--appendonly', 'no'], FORGETS],
])('a Redis that %s is refused in production and a warning in development', async (_name, args, hazard) => {
  await using database = await createDatabase();
  await using server = await startRedisServer({ args });
  await using queue = useQueue(server.url);
  expect(await queue.backend.hazards()).toEqual([expect.stringMatching(hazard)]);

  const settings = { DATABASE_URL: database.url, REDIS_URL: server.url };
  const refused = startWorkerProcess('maintenance', { ...settings, NODE_ENV: 'production' });
  expect(await refused.ended).toBe(1);
  expect(refused.lines()).toEqual([expect.stringMatching(hazard)]);
  expect(refused.lines()[0]).toMatch(/^REDIS_URL: /);

  const warned = startWorkerProcess('maintenance', { ...settings, NODE_ENV: 'development' });
  await warned.ready;
  expect(warned.lines().join('\n')).toMatch(hazard);
  expect(await warned.stop()).toBe(0);
});
