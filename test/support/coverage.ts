// How much of src the suite must run through: vitest's `coverage`. Measured is what runs in a test's own process; what
// tests start as processes (workers, `router up`, killed ones) counts as not run. Nothing is printed after the line
// of counts: the figures are in .data/coverage.
import type { CoverageV8Options } from 'vitest/node';

const ALL = { statements: 100, branches: 100, functions: 100, lines: 100 };

export const coverage: CoverageV8Options & { readonly provider: 'v8' } = {
  provider: 'v8',
  include: ['src/**/*.ts'],
  exclude: [
    // generated, types only
    'src/store/schema.ts',
    // scripts of the gates, which run them with --check
    'src/**/generate-*.ts',
    // Doors that tests open only as processes: test/cli asserts what they print and how they end.
    'src/cli.ts',
    'src/cli/{archive,backup,bench,commands,controls,intake,interrupt,paper,register-backup,register-controls}.ts',
    'src/cli/{register-upkeep,restore,runs,settle,truth,up,upkeep,with-database}.ts',
    // The proof kit runs as processes, too: what shows that it works is that it fails when the router is wrong.
    'src/kit/**',
    'src/runtime/run-worker.ts',
  ],
  reporter: ['json-summary', 'html'],
  reportsDirectory: '.data/coverage',
  thresholds: { statements: 85, branches: 85, functions: 85, lines: 85, 'src/core/**': ALL },
};
