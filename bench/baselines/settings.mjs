// The environment of a baseline's processes, read once. One account, one subaccount, one node, as most teams run it.
import { createHash } from 'node:crypto';

/** The router's public key of the paper account (src/venue/keys.ts): anyone can sign for it. */
const PAPER_KEY = createHash('sha256').update('dydx-order-router paper account').digest('hex');

export const ADAPTERS = ['naive', 'ccxt'];

export function readSettings(env = process.env, [adapter] = process.argv.slice(2)) {
  if (!ADAPTERS.includes(adapter)) throw new Error(`name an adapter: ${ADAPTERS.join(' or ')}`);
  const required = (name) => {
    if (!env[name]) throw new Error(`${name} is not set`);
    return env[name];
  };
  return {
    adapter,
    databaseUrl: required('DATABASE_URL'),
    /** absent: BullMQ's PostgreSQL backend in the same database */
    redisUrl: env.REDIS_URL || undefined,
    /** Redis only: begins every key */
    queuePrefix: env.QUEUE_PREFIX || '{baseline}',
    validatorUrl: required('VALIDATOR_URL').replace(/\/+$/, ''),
    /** without /v4 */
    indexerUrl: required('INDEXER_URL').replace(/\/+$/, ''),
    chainId: env.CHAIN_ID || 'dydx-paper-1',
    privateKey: (env.DYDX_PRIVATE_KEY || PAPER_KEY).replace(/^0x/, ''),
    /** when set, the key comes from it */
    mnemonic: env.DYDX_MNEMONIC || undefined,
    subaccount: Number(env.SUBACCOUNT || 0),
    concurrency: Number(env.CONCURRENCY || 16),
    /** BullMQ's default. Shorter makes a killed worker's jobs come back sooner, and false stalls likelier. */
    lockMs: Number(env.LOCK_MS || 30_000),
    /** 0: this process never polls. Of all that may, the one that holds the lock does. */
    isPoller: env.POLLER !== '0',
    /** rows of a list that the poller asks for; the indexer's most is 1000 */
    pollLimit: Number(env.POLL_LIMIT || 100),
    /** ccxt only: its own limiter, on by its default, lets 5 orders a second pass */
    hasCcxtLimiter: env.CCXT_RATE_LIMIT === '1',
  };
}
