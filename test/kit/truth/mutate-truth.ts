// Preloaded (node --import mutate-truth.ts?name=…) into a worker that is to handle a fault wrongly: changes the source text
// of files as they are loaded.
import { registerHooks } from 'node:module';
import { patched } from '../../support/mutations.ts';
import { patchesOf, type TruthMutation } from './truth-mutations.ts';

const ROOT = new URL('../../../', import.meta.url).href;
const name = new URL(import.meta.url).searchParams.get('name') as TruthMutation;
const patches = patchesOf(name);
const files = new Set(patches.map((patch) => patch.file));

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const file = url.startsWith(ROOT) ? url.slice(ROOT.length) : '';
    return files.has(file)
      ? { ...loaded, source: patched(name, patches, file, String(loaded.source)) }
      : loaded;
  },
});
