// Which file may import which: imports point inwards (docs/decisions.md, Shape). Type-only imports count as well,
// but for app → store, where they are the interface.
//
//   core ← store, queue, venue, paper, app ← runtime ← workers
//   store ← backup (dumps and files by PostgreSQL's own tools) ← runtime
//   chain (what both sides of the wire share) ← venue, paper
//   cli, client and tests see everything that they need
const { version } = require('typescript/package.json');
if (Number.parseInt(version, 10) >= 7) {
  // It would find no .ts file, nothing to object to, and exit 0.
  throw new Error(`dependency-cruiser needs TypeScript 6 under the name "typescript", found ${version}`);
}

/** One folder's rule: what lies in src, outside of what it may import, is forbidden. */
const mayOnlyImport = (folder, ...allowed) => ({
  name: `${folder}-imports`,
  severity: 'error',
  from: { path: `^src/${folder}/` },
  to: { path: '^src/', pathNot: [`^src/${folder}/`, ...allowed] },
});

/** One library, one folder. */
const HOMES = {
  kysely: ['^src/store/', '^src/kit/'],
  // BullMQ's PostgreSQL backend takes a pool.
  pg: ['^src/store/', '^src/queue/postgres-backend\\.ts$', '^src/kit/'],
  // The context closes queues and the handlers judge jobs: both must name them.
  bullmq: ['^src/queue/', '^src/runtime/'],
  ioredis: ['^src/queue/'],
  '@dydxprotocol/v4-client-js': ['^src/chain/'],
  secp256k1: ['^src/chain/'],
  undici: ['^src/venue/'],
  pino: ['^src/ops/'],
  'prom-client': ['^src/ops/'],
  commander: ['^src/cli'],
  'rate-limiter-flexible': ['^src/queue/'],
};

module.exports = {
  forbidden: [
    mayOnlyImport('core'),
    {
      name: 'core-packages',
      comment: 'core does no I/O: hashes and schemas are all it takes from outside',
      severity: 'error',
      // Writes docs/intent.schema.json; a script, nothing imports it.
      from: { path: '^src/core/', pathNot: '^src/core/generate-intent-schema\\.ts$' },
      to: { pathNot: ['^src/', '^(node:)?crypto$', '^node_modules/zod/'] },
    },
    mayOnlyImport('ops', '^src/core/'),
    mayOnlyImport('chain'),
    // A process number that is used again: embedded PostgreSQL's lock file and the folder lock both ask.
    mayOnlyImport('store', '^src/core/', '^src/ops/command-line\\.ts$'),
    mayOnlyImport('backup', '^src/core/', '^src/store/'),
    mayOnlyImport('queue', '^src/core/'),
    mayOnlyImport('venue', '^src/core/', '^src/chain/'),
    mayOnlyImport('paper', '^src/core/', '^src/chain/'),
    mayOnlyImport('app', '^src/core/', '^src/store/'),
    {
      name: 'app-takes-functions',
      comment: 'use cases take functions; of the store they know types only',
      severity: 'error',
      from: { path: '^src/app/' },
      to: { path: '^src/store/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'client-imports',
      comment: 'a producer starts no process and talks to no venue',
      severity: 'error',
      from: { path: '^src/client\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(app|core|store|queue)/' },
    },
    {
      name: 'config-imports',
      comment: 'settings are read before anything else is',
      severity: 'error',
      from: { path: '^src/config\\.ts$' },
      to: { path: '^src/' },
    },
    {
      name: 'workers-start-runtime-only',
      severity: 'error',
      from: { path: '^workers/' },
      to: { pathNot: '^src/runtime/' },
    },
    {
      name: 'nobody-imports-a-door',
      comment:
        'command line, SDK and workers are where one comes in; the command line and its proof kit use the SDK',
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: '^src/(cli/|cli\\.ts$|kit/)' },
      to: { path: '^(src/cli/|src/cli\\.ts$|src/client\\.ts$|workers/)' },
    },
    {
      name: 'no-test-in-src',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { path: '^(test|examples|bench)/' },
    },
    ...Object.entries(HOMES).map(([library, homes]) => ({
      name: `home-of-${library.replace('@', '').replace('/', '-')}`,
      severity: 'error',
      from: { path: '^(src|workers)/', pathNot: homes },
      to: { path: `^node_modules/${library}/` },
    })),
    {
      name: 'no-circular',
      comment:
        'types may name each other (an order and its place in the book); values may not load each other',
      severity: 'error',
      from: { path: '^(src|workers|test)/' },
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-orphans',
      comment: 'what neither imports nor is imported; knip finds the files that merely nobody imports',
      severity: 'error',
      // A preload of other processes stands alone on purpose.
      from: { orphan: true, pathNot: '^src/kit/truth/shift-clock\\.ts$' },
      to: {},
    },
    {
      name: 'no-dev-dependency-at-run-time',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'not-resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-package',
      severity: 'error',
      from: {},
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    // A package of its own, whose dependencies are installed when it is first asked for.
    exclude: { path: '^bench/baselines/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types'] },
  },
};
