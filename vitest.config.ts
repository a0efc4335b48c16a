import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: 'test/support/postgres-setup.ts',
    pool: 'forks',
    reporters: ['default', './test/support/count-reporter.ts'],
    // Files share two cores with PostgreSQL and the processes that they start.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
