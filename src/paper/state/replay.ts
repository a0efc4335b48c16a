// Replay protection of one account (x/accountplus keeper/timestampnonce.go, app/ante/replay_protection.go): a nonce is
// taken at most once. Values are immutable, so that a node's uncommitted view can lie on top of the committed one.

/** Sequences from here on are read as unix milliseconds. */
const TIMESTAMP_NONCE_FROM = 2 ** 40;
const WINDOW_MS = 30_000;
const MAX_STORED_NONCES = 20;

export type Replay = {
  /** the next plain sequence */
  readonly sequence: number;
  /** timestamp nonces that were taken and not ejected yet, in no order */
  readonly nonces: readonly number[];
  /** nothing up to here is taken any more */
  readonly maxEjected: number;
};

export const FRESH: Replay = { sequence: 0, nonces: [], maxEjected: 0 };

/** The state after taking the nonce, or why it cannot be taken (sdk/32). */
export type Taken =
  | { readonly replay: Replay; readonly reason?: never }
  | { readonly replay?: never; readonly reason: string };

/** Too old ones go at each use, and nothing older than them is accepted again. */
function ejectStale(replay: Replay, blockTimeMs: number): Replay {
  const oldest = blockTimeMs - WINDOW_MS;
  const stale = replay.nonces.filter((nonce) => nonce < oldest);
  if (stale.length === 0) return replay;
  return {
    ...replay,
    nonces: replay.nonces.filter((nonce) => nonce >= oldest),
    maxEjected: Math.max(replay.maxEjected, ...stale),
  };
}

function takeTimestamp(account: Replay, nonce: number, blockTimeMs: number): Taken {
  if (nonce < blockTimeMs - WINDOW_MS || nonce > blockTimeMs + WINDOW_MS) {
    return { reason: `timestamp nonce ${nonce} not within valid time window` };
  }
  const replay = ejectStale(account, blockTimeMs);
  const rejected = { reason: `timestamp nonce ${nonce} rejected` };
  if (nonce <= replay.maxEjected || replay.nonces.includes(nonce)) return rejected;
  if (replay.nonces.length < MAX_STORED_NONCES) {
    return { replay: { ...replay, nonces: [...replay.nonces, nonce] } };
  }
  const smallest = Math.min(...replay.nonces);
  if (nonce <= smallest) return rejected;
  const kept = replay.nonces.filter((each) => each !== smallest);
  return { replay: { ...replay, nonces: [...kept, nonce], maxEjected: smallest } };
}

/** blockTimeMs: of the last block for CheckTx, of the block itself for DeliverTx. */
export function takeNonce(replay: Replay, nonce: number, blockTimeMs: number): Taken {
  if (nonce >= TIMESTAMP_NONCE_FROM) return takeTimestamp(replay, nonce, blockTimeMs);
  if (nonce !== replay.sequence) {
    return { reason: `account sequence mismatch, expected ${replay.sequence}, got ${nonce}` };
  }
  return { replay: { ...replay, sequence: nonce + 1 } };
}
