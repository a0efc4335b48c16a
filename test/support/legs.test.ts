import { expect, test } from 'vitest';
import { chooseLegs } from './legs.ts';

test('without a Redis its leg is named as not run, and fails when it is required', () => {
  const bare = { PATH: '/nowhere' };
  expect(chooseLegs(bare)).toMatchObject({ queues: ['postgres'], hasOwnRedis: false });
  expect(chooseLegs(bare).notRun.join()).toMatch(/apt-get install redis-server/);
  expect(() => chooseLegs({ ...bare, REQUIRE_REDIS: '1' })).toThrow(/REQUIRE_REDIS=1, but redis-server/);
  const given = chooseLegs({ ...bare, TEST_REDIS_URL: 'redis://127.0.0.1:6379' });
  expect(given.queues).toEqual(['postgres', 'redis']);
  expect(given.notRun).toHaveLength(1);
});
