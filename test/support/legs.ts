// What of the suite can run here: over which queues it is looped, and which servers tests can start of their own. What
// lacks its server is named as not run, and REQUIRE_SERVERS=1 makes that a failure.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { findDebianPostgres } from './debian-postgres.ts';

export type QueueKind = 'postgres' | 'redis';

export type Legs = {
  readonly queues: readonly QueueKind[];
  /** Tests may start a redis-server that they can kill. */
  readonly hasOwnRedis: boolean;
  readonly hasPgbouncer: boolean;
  /** The folder of initdb, postgres and pg_dump of the oldest PostgreSQL that is supported and installed. */
  readonly debianPostgres: string | undefined;
  /** What does not run, and why; one sentence each. */
  readonly notRun: readonly string[];
};

const WHY = 'is not on the path (Debian: apt-get install';

/** The redis leg's server comes from TEST_REDIS_URL, a container, or a redis-server on the path. */
export function chooseLegs(environment: NodeJS.ProcessEnv): Legs {
  const has = (program: string) =>
    (environment['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
  const hasOwnRedis = has('redis-server');
  const hasPgbouncer = has('pgbouncer');
  const isGiven = Boolean(environment['TEST_REDIS_URL']) || environment['TEST_CONTAINERS'] === '1';
  const hasRedis = hasOwnRedis || isGiven;
  const debian = findDebianPostgres(environment);
  const noRedis = `redis-server ${WHY} redis-server)`;
  const notRun = [
    ...(hasRedis ? [] : [`the suite on the Redis queue, for ${noRedis} and TEST_REDIS_URL is not set`]),
    ...(hasOwnRedis ? [] : [`tests that start a Redis of their own, for ${noRedis}`]),
    ...(hasPgbouncer ? [] : [`the test of a pooler, for pgbouncer ${WHY} pgbouncer)`]),
    ...(debian.binaries === undefined ? [`tests on the oldest PostgreSQL, for there is ${debian.why}`] : []),
  ];
  if (environment['REQUIRE_SERVERS'] === '1' && notRun.length > 0) {
    throw new Error(`REQUIRE_SERVERS=1, but not everything can run: ${notRun.join('; ')}`);
  }
  return {
    queues: hasRedis ? ['postgres', 'redis'] : ['postgres'],
    hasOwnRedis,
    hasPgbouncer,
    debianPostgres: debian.binaries,
    notRun,
  };
}
