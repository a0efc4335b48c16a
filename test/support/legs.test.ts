import { expect, test } from 'vitest';
import { findDebianPostgres } from './debian-postgres.ts';
import { chooseLegs } from './legs.ts';

const bare = { PATH: '/nowhere', DEBIAN_POSTGRES_BIN: '/mine' };

test('without a server what needs it is named as not run, and fails when it is required', () => {
  expect(chooseLegs(bare)).toMatchObject({ queues: ['postgres'], hasOwnRedis: false, hasPgbouncer: false });
  expect(chooseLegs(bare).notRun.join()).toMatch(/apt-get install redis-server.*apt-get install pgbouncer/);
  expect(() => chooseLegs({ ...bare, REQUIRE_SERVERS: '1' })).toThrow(
    /REQUIRE_SERVERS=1, but .*redis-server/,
  );
  const given = chooseLegs({ ...bare, TEST_REDIS_URL: 'redis://127.0.0.1:6379' });
  expect(given.queues).toEqual(['postgres', 'redis']);
  expect(given.notRun).toHaveLength(2);
});

test("Debian's PostgreSQL is the given one, or the oldest that is there", () => {
  expect(findDebianPostgres(bare)).toEqual({ binaries: '/mine' });
  expect(findDebianPostgres({}, '/nowhere')).toEqual({
    binaries: undefined,
    why: expect.stringContaining('apt-get install postgresql'),
  });
});
