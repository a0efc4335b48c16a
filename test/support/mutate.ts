// Preloaded (node --import) into a process that is to handle a fault wrongly: changes the source text of the files that the
// mutation named by the variable MUTATION names, as they are loaded.
import { registerHooks } from 'node:module';
import { MUTATIONS, type Mutation, type MutationName, mutate } from './mutations.ts';

const ROOT = new URL('../../', import.meta.url).href;

const name = process.env['MUTATION'] ?? '';
if (!Object.hasOwn(MUTATIONS, name)) {
  throw new Error(`MUTATION: no mutation ${name}; known: ${Object.keys(MUTATIONS).join(', ')}`);
}
const known = name as MutationName;
const { patches }: Mutation = MUTATIONS[known];
const files = new Set(patches.map(({ file }) => file));

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const file = url.startsWith(ROOT) ? url.slice(ROOT.length) : '';
    return files.has(file) ? { ...loaded, source: mutate(known, file, String(loaded.source)) } : loaded;
  },
});
