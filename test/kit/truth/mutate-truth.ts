// Preloaded (node --import mutate-truth.ts?name=…) into a worker that is to handle a fault wrongly: changes the source text
// of files as they are loaded.
import { registerHooks } from 'node:module';
import { patchesOf, type TruthMutation } from './truth-mutations.ts';

const ROOT = new URL('../../../', import.meta.url).href;
const name = new URL(import.meta.url).searchParams.get('name') as TruthMutation;
const patches = patchesOf(name);

registerHooks({
  load: (url, context, nextLoad) => {
    const loaded = nextLoad(url, context);
    const file = url.startsWith(ROOT) ? url.slice(ROOT.length) : '';
    const mine = patches.filter((patch) => patch.file === file);
    if (mine.length === 0) return loaded;
    let source = String(loaded.source);
    for (const { find, replace } of mine) {
      const parts = source.split(find);
      if (parts.length !== 2)
        throw new Error(`mutation ${name}: ${file} holds this ${parts.length - 1} times: ${find}`);
      source = parts.join(replace);
    }
    return { ...loaded, source };
  },
});
