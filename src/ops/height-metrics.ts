// What a process knows of the chain's height and the indexer's, read when it is scraped. What it does not know has no
// sample.
import { Gauge, type Registry } from 'prom-client';

export type HeightSources = {
  /** newest block that a validator has told, and for how long it has been that */
  readonly validator: {
    readonly newest: () => { readonly height: number } | undefined;
    readonly ageMs: () => number | undefined;
  };
  /** absent: this process does not ask the indexer for its height */
  readonly indexer?: () => { readonly height: number } | undefined;
};

export function watchHeights(registry: Registry, { validator, indexer }: HeightSources): void {
  const gauge = (name: string, help: string, read: () => number | undefined) => {
    const self = new Gauge({
      name,
      help,
      registers: [registry],
      collect: () => {
        const value = read();
        if (value === undefined) self.remove();
        else self.set(value);
      },
    });
  };
  gauge(
    'router_validator_height',
    'newest block that a validator has told',
    () => validator.newest()?.height,
  );
  gauge('router_height_age_seconds', 'since the height last rose', () => {
    const ageMs = validator.ageMs();
    return ageMs === undefined ? undefined : ageMs / 1000;
  });
  if (indexer === undefined) return;
  gauge('router_indexer_height', 'height that the indexer last told', () => indexer()?.height);
  gauge('router_indexer_lag_blocks', "the validator's height less the indexer's", () => {
    const [chain, shown] = [validator.newest()?.height, indexer()?.height];
    return chain === undefined || shown === undefined ? undefined : chain - shown;
  });
}
