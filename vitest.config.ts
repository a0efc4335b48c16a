// Everything that touches a queue runs once on each of them, everything else once.
import { defineConfig } from 'vitest/config';
import { coverage } from './test/support/coverage.ts';
import { chooseLegs, type QueueKind } from './test/support/legs.ts';
import { LongestFirst } from './test/support/longest-first.ts';

const { queues, hasOwnRedis, hasPgbouncer, debianPostgres } = chooseLegs(process.env);
const LOOPED = ['test/e2e/**/*.test.ts', 'test/queue/looped/**/*.test.ts'];
/** They start a redis-server, some in one test of many. */
const OWN_REDIS = [
  'test/cli/{bad-start,doctor}.test.ts',
  'test/queue/{redis-backend,redis-hazards,redis-topologies,silence}.test.ts',
];
const OWN_REDIS_LOOPED = ['test/e2e/{queue-wiped,redis-down}.test.ts'];
const shared = {
  pool: 'forks',
  setupFiles: 'test/support/child-environment.ts',
  testTimeout: 180_000,
  hookTimeout: 180_000,
  // What comes at once on an idle machine may take half a minute beside two other files.
  expect: { poll: { timeout: 60_000 } },
} as const;

/** Dumps need client tools, which the embedded server has not. */
const DEBIAN_POSTGRES = [
  'test/store/both-versions.test.ts',
  'test/backup/{bad-backups,dump,kills,point-in-time,restore}.test.ts',
];
const PGBOUNCER = ['test/e2e/pooler.test.ts'];

function excludedFrom(queueKind: QueueKind): string[] {
  const pooler = hasPgbouncer ? [] : PGBOUNCER;
  // The other queue has no Redis to lose.
  if (queueKind === 'postgres') return ['test/e2e/redis-down.test.ts', ...pooler];
  return hasOwnRedis ? pooler : [...OWN_REDIS_LOOPED, ...pooler];
}

export default defineConfig({
  test: {
    coverage,
    globalSetup: 'test/support/services.ts',
    reporters: ['default', './test/support/count-reporter.ts'],
    // Files share two cores with PostgreSQL, Redis and the processes that they start; most of them wait for blocks, so that
    // a third finds a core idle. A fourth makes all of them late, for little less time.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          ...shared,
          name: 'once',
          include: ['test/**/*.test.ts'],
          exclude: [
            ...LOOPED,
            ...(hasOwnRedis ? [] : OWN_REDIS),
            ...(debianPostgres === undefined ? DEBIAN_POSTGRES : []),
          ],
        },
      },
      ...queues.map((queueKind) => ({
        test: {
          ...shared,
          name: `${queueKind} queue`,
          include: LOOPED,
          exclude: excludedFrom(queueKind),
          provide: { queueKind, queues },
        },
      })),
    ],
  },
});
