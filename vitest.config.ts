// Everything that touches a queue runs once on each of them, everything else once.
import { defineConfig } from 'vitest/config';
import { coverage } from './test/support/coverage.ts';
import { chooseLegs } from './test/support/legs.ts';
import { LongestFirst } from './test/support/longest-first.ts';

const legs = chooseLegs(process.env);
const LOOPED = ['test/e2e/**/*.test.ts', 'test/queue/looped/**/*.test.ts'];
const shared = {
  pool: 'forks',
  setupFiles: 'test/support/child-environment.ts',
  testTimeout: 60_000,
  hookTimeout: 60_000,
} as const;

export default defineConfig({
  test: {
    coverage,
    globalSetup: 'test/support/services.ts',
    reporters: ['default', './test/support/count-reporter.ts'],
    // Files share two cores with PostgreSQL, Redis and the processes that they start; most of them wait for blocks,
    // so that a fourth finds a core idle.
    maxWorkers: 4,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: { ...shared, name: 'once', include: ['test/**/*.test.ts'], exclude: LOOPED, provide: { legs } },
      },
      ...legs.map((queueKind) => ({
        test: {
          ...shared,
          name: `${queueKind} queue`,
          include: LOOPED,
          // The other queue has no Redis to lose.
          exclude: queueKind === 'redis' ? [] : ['test/e2e/redis-down.test.ts'],
          provide: { queueKind, legs },
        },
      })),
    ],
  },
});
