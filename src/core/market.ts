// A perpetual market as the router needs it: the grid on which sizes and prices lie, and its state.
// Source: indexer GET /v4/perpetualMarkets.

export type Market = {
  /** e.g. BTC-USD */
  readonly ticker: string;
  readonly clobPairId: number;
  /** ACTIVE, PAUSED, CANCEL_ONLY, POST_ONLY, INITIALIZING, FINAL_SETTLEMENT */
  readonly status: string;
  /** size × 10^-atomicResolution = base quantums */
  readonly atomicResolution: number;
  readonly quantumConversionExponent: number;
  /** quantums are a multiple of it, and at least it */
  readonly stepBaseQuantums: bigint;
  readonly subticksPerTick: bigint;
  /** decimal string, USD */
  readonly oraclePrice: string;
};
