// A map whose entries end at a block height: cancels that are kept until their good-til-block, placements that a node
// holds. An entry that was set again for a later height outlives the earlier one.

export type ExpiringMap<T> = {
  readonly get: (key: string) => T | undefined;
  readonly set: (key: string, value: T, height: number) => void;
  readonly delete: (key: string) => void;
  /** Drops what ends at this height; heights are passed one after another. */
  readonly expire: (height: number) => void;
};

export function createExpiringMap<T>(): ExpiringMap<T> {
  const entries = new Map<string, { readonly value: T; readonly height: number }>();
  const keysByHeight = new Map<number, string[]>();
  return {
    get: (key) => entries.get(key)?.value,
    set(key, value, height) {
      entries.set(key, { value, height });
      const bucket = keysByHeight.get(height);
      if (bucket) bucket.push(key);
      else keysByHeight.set(height, [key]);
    },
    delete(key) {
      entries.delete(key);
    },
    expire(height) {
      for (const key of keysByHeight.get(height) ?? []) {
        if (entries.get(key)?.height === height) entries.delete(key);
      }
      keysByHeight.delete(height);
    },
  };
}
