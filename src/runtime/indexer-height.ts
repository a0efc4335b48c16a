// The indexer's height as this process last heard it: whoever asks for work's sake, those who watch listen.
import type { Indexer } from '../core/ports.ts';

export type IndexerHeight = {
  /** Asks, and remembers the answer. */
  readonly ask: () => Promise<number>;
  /** The last answer, however old. */
  readonly last: () => { readonly height: number; readonly atMs: number } | undefined;
  /** The last answer if it is young enough, else a new one. */
  readonly known: (maxAgeMs: number) => Promise<number>;
};

export function rememberHeight(indexer: Pick<Indexer, 'height'>): IndexerHeight {
  let last: { readonly height: number; readonly atMs: number } | undefined;
  const ask = async () => {
    const height = await indexer.height();
    last = { height, atMs: performance.now() };
    return height;
  };
  return {
    ask,
    last: () => last,
    known: async (maxAgeMs) =>
      last !== undefined && performance.now() - last.atMs <= maxAgeMs ? last.height : ask(),
  };
}
