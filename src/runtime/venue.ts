// The venue of a process: which chain, its validator and indexer, the key that signs. Refuses to start on another
// chain than the database's, or with a key that cannot sign.
import { setTimeout } from 'node:timers/promises';
import { type Config, ConfigError, type Secrets } from '../config.ts';
import type { Indexer, Signer, Validator } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Logger } from '../ops/logger.ts';
import { createIndexer } from '../venue/indexer.ts';
import { loadPrivateKey, ownerOf, paperPrivateKey } from '../venue/keys.ts';
import { type Network, resolveNetwork } from '../venue/networks.ts';
import { createSigner } from '../venue/signer.ts';
import { createValidator } from '../venue/validator.ts';

/** A height that has not risen for this long is no knowledge of the chain any more. */
export const HEIGHT_MAX_AGE_MS = 15_000;

export function networkOf(config: Config): Network {
  const { DYDX_NETWORK: name, DYDX_CHAIN_ID, DYDX_VALIDATOR_URL, DYDX_INDEXER_URL } = config;
  if (name === 'paper' && DYDX_VALIDATOR_URL === undefined) {
    throw new ConfigError(
      'DYDX_NETWORK=paper needs DYDX_VALIDATOR_URL and DYDX_INDEXER_URL: run `router paper` or `npm start`',
    );
  }
  try {
    return resolveNetwork(name, {
      chainId: DYDX_CHAIN_ID,
      validatorUrl: DYDX_VALIDATOR_URL,
      indexerUrl: DYDX_INDEXER_URL,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const named = message
      .replace('chainId', 'DYDX_CHAIN_ID')
      .replace('validatorUrl', 'DYDX_VALIDATOR_URL')
      .replace('indexerUrl', 'DYDX_INDEXER_URL');
    throw new ConfigError(named);
  }
}

export function openValidator(config: Config): Validator & { close: () => Promise<void> } {
  return createValidator({
    url: networkOf(config).validatorUrl,
    timeoutMs: config.VALIDATOR_TIMEOUT_MS,
    connections: Math.max(256, config.SUBMIT_CONCURRENCY),
  });
}

export function openIndexer(
  config: Config,
  log: Logger,
  telemetry: Pick<Telemetry, 'indexerAnswered'>,
): Indexer & { close: () => Promise<void> } {
  return createIndexer({
    url: networkOf(config).indexerUrl,
    timeoutMs: config.INDEXER_TIMEOUT_MS,
    onBadMarket: (ticker, reason) => log.warn({ market: ticker, reason }, 'market skipped'),
    onRequest: telemetry.indexerAnswered,
  });
}

/** The key of the account `default`. Never part of a message. */
export function privateKeyOf(config: Config, secrets: Secrets): Uint8Array {
  const { privateKey, mnemonic } = secrets;
  if (privateKey === undefined && mnemonic === undefined) {
    if (config.DYDX_NETWORK === 'paper') return paperPrivateKey();
    throw new ConfigError(
      `DYDX_NETWORK=${config.DYDX_NETWORK} needs a key: set DYDX_PRIVATE_KEY_FILE or DYDX_MNEMONIC_FILE (or the variables without _FILE)`,
    );
  }
  if (privateKey !== undefined && mnemonic !== undefined) {
    throw new ConfigError('set a private key or a mnemonic, not both');
  }
  try {
    return loadPrivateKey(privateKey === undefined ? { mnemonic: mnemonic ?? '' } : { privateKey });
  } catch (error) {
    throw new ConfigError(error instanceof Error ? error.message : 'the key is not usable');
  }
}

/**
 * Asks the node for its chain and the account's number, both of which are signed over.
 * @param patienceMs a node that does not answer is asked again for so long
 */
export async function openSigner(
  config: Config,
  secrets: Secrets,
  validator: Validator,
  patienceMs: number,
): Promise<Signer> {
  const privateKey = privateKeyOf(config, secrets);
  const { chainId } = networkOf(config);
  const deadlineMs = Date.now() + patienceMs;
  const actual = await untilAnswered(() => validator.chainId(), deadlineMs);
  if (actual !== chainId) {
    throw new ConfigError(
      `the validator is on chain ${actual}, not ${chainId}: check DYDX_VALIDATOR_URL and DYDX_CHAIN_ID`,
    );
  }
  const owner = await ownerOf(privateKey);
  const accountNumber = await untilAnswered(() => validator.accountNumber(owner), deadlineMs);
  return createSigner({ privateKey, chainId, accountNumber });
}

const ASK_AGAIN_MS = 250;

/** Throws the last error when the time is over. */
async function untilAnswered<Answer>(ask: () => Promise<Answer>, deadlineMs: number): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() + ASK_AGAIN_MS > deadlineMs) throw error;
      await setTimeout(ASK_AGAIN_MS);
    }
  }
}
