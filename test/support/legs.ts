// What of the suite can run here: over which queues it is looped, and whether tests can start a Redis of their own. What
// lacks its server is named as not run, and REQUIRE_REDIS=1 makes that a failure.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export type QueueKind = 'postgres' | 'redis';

export type Legs = {
  readonly queues: readonly QueueKind[];
  /** Tests may start a redis-server that they can kill. */
  readonly hasOwnRedis: boolean;
  /** What does not run, and why; one sentence each. */
  readonly notRun: readonly string[];
};

const WHY = 'redis-server is not on the path (Debian: apt-get install redis-server)';

/** The redis leg's server comes from TEST_REDIS_URL, a container, or a redis-server on the path. */
export function chooseLegs(environment: NodeJS.ProcessEnv): Legs {
  const hasOwnRedis = (environment['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => existsSync(join(folder, 'redis-server')));
  const isGiven = Boolean(environment['TEST_REDIS_URL']) || environment['TEST_CONTAINERS'] === '1';
  const hasRedis = hasOwnRedis || isGiven;
  const notRun = [
    ...(hasRedis ? [] : [`the suite on the Redis queue, for ${WHY} and TEST_REDIS_URL is not set`]),
    ...(hasOwnRedis ? [] : [`tests that start a Redis of their own, for ${WHY}`]),
  ];
  if (environment['REQUIRE_REDIS'] === '1' && notRun.length > 0) {
    throw new Error(`REQUIRE_REDIS=1, but ${WHY}`);
  }
  return { queues: hasRedis ? ['postgres', 'redis'] : ['postgres'], hasOwnRedis, notRun };
}
