// Over which queues the suite is looped. Redis comes from TEST_REDIS_URL, from a container, or from a redis-server on
// the path; without any of them its leg is named as not run, and REQUIRE_REDIS=1 makes that a failure.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type QueueKind = 'postgres' | 'redis';

/** Why there is no Redis here; undefined when there is one. */
export function whyNoRedis(environment: NodeJS.ProcessEnv): string | undefined {
  if (environment['TEST_REDIS_URL'] || environment['TEST_CONTAINERS'] === '1') return undefined;
  const isInstalled = (environment['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => existsSync(join(folder, 'redis-server')));
  if (isInstalled) return undefined;
  return 'redis-server is not on the path (Debian: apt-get install redis-server) and TEST_REDIS_URL is not set';
}

export function chooseLegs(environment: NodeJS.ProcessEnv): readonly QueueKind[] {
  const why = whyNoRedis(environment);
  if (why === undefined) return ['postgres', 'redis'];
  if (environment['REQUIRE_REDIS'] === '1') throw new Error(`REQUIRE_REDIS=1, but ${why}`);
  return ['postgres'];
}
