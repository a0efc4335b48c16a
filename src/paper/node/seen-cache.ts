// The hashes of the newest transactions that a node has seen; the oldest leaves first. The order is kept beside the set:
// the first entry of a set that things are deleted from is found by walking over the holes (0.1 ms at 200,000).

export type SeenCache = {
  /** False when it is in here already. */
  readonly add: (hash: string) => boolean;
};

export function createSeenCache(size: number): SeenCache {
  const hashes = new Set<string>();
  const ring: string[] = [];
  let next = 0;
  return {
    add(hash) {
      if (hashes.has(hash)) return false;
      hashes.add(hash);
      const oldest = ring[next];
      if (oldest !== undefined) hashes.delete(oldest);
      ring[next] = hash;
      next = (next + 1) % size;
      return true;
    },
  };
}
