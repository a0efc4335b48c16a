// Which file may import which: imports point inwards (docs/decisions.md, Shape). Type-only imports count as well,
// but for app → store, where they are the interface.
//
//   core ← store, queue, venue, paper ← (types) app ← runtime ← workers
//   ops, chain, config: leaves that import nothing of src but themselves
const { version } = require('/tmp/ts6/node_modules/typescript/package.json');
if (Number.parseInt(version, 10) >= 7) {
  // It would find no .ts file, nothing to object to, and exit 0.
  throw new Error(`dependency-cruiser needs TypeScript 6 under the name "typescript", found ${version}`);
}

/** One folder's rule: what lies in src, outside of what it may import, is forbidden. */
const mayOnlyImport = (folder, allowed, options = {}) => ({
  name: `${folder}-imports`,
  comment: options.comment,
  severity: 'error',
  from: { path: `^src/${folder}/`, ...(options.fromNot && { pathNot: options.fromNot }) },
  to: {
    path: '^src/',
    pathNot: [`^src/${folder}/`, ...allowed],
  },
});

module.exports = {
  forbidden: [
    mayOnlyImport('core', [], { comment: 'core is pure: it knows nobody' }),
    {
      name: 'core-packages',
      comment: 'core does no I/O: hashes and schemas are all it takes from outside',
      severity: 'error',
      // Writes docs/intent.schema.json; a script, nothing imports it.
      from: { path: '^src/core/', pathNot: '^src/core/generate-intent-schema\\.ts$' },
      to: { pathNot: ['^src/', '^(node:)?crypto$', '^node_modules/zod/'] },
    },
    mayOnlyImport('ops', []),
    mayOnlyImport('chain', []),
    mayOnlyImport('store', ['^src/core/', '^src/ops/command-line\\.ts$']),
    mayOnlyImport('queue', ['^src/core/']),
    mayOnlyImport('venue', ['^src/core/', '^src/chain/']),
    mayOnlyImport('paper', ['^src/core/', '^src/chain/']),
    mayOnlyImport('app', ['^src/core/', '^src/store/']),
    {
      name: 'app-takes-functions',
      comment: 'use cases take functions; of the store they know types only',
      severity: 'error',
      from: { path: '^src/app/' },
      to: { path: '^src/store/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'runtime-imports',
      comment: 'runtime wires everything but the doors: command line and SDK',
      severity: 'error',
      from: { path: '^src/runtime/' },
      to: { path: '^src/(cli/|cli\\.ts$|client\\.ts$)' },
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
      name: 'doors-import-nobody-inwards',
      comment: 'only other doors, examples and tests import the command line, and nobody a worker',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(cli/|cli\\.ts$)' },
      to: { path: '^(src/cli/|src/cli\\.ts$|workers/)' },
    },
    {
      name: 'no-test-in-src',
      severity: 'error',
      from: { path: '^(src|workers)/' },
      to: { path: '^(test|examples|bench)/' },
    },
    {
      name: 'one-library-one-folder',
      comment: 'pg and kysely belong to the store, BullMQ and Redis to the queue, the wire to venue and chain',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/store/' },
      to: { path: '^node_modules/(kysely|pg)/' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: { path: '^(src|workers|test)/' },
      to: { circular: true },
    },
    {
      name: 'no-orphans',
      comment: 'a file that nobody imports and that is no entry is dead',
      severity: 'error',
      from: { orphan: true },
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
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['node', 'import', 'types'] },
  },
};
