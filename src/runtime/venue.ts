// The venue of a process as it is configured: which chain, its validators and its indexer.
import { type Config, ConfigError } from '../config.ts';
import type { Indexer } from '../core/ports.ts';
import type { Telemetry } from '../core/telemetry.ts';
import type { Logger } from '../ops/logger.ts';
import { createIndexer } from '../venue/indexer.ts';
import { type Network, resolveNetwork } from '../venue/networks.ts';
import { type ClosableValidator, createValidators } from '../venue/validators.ts';

/** A height that has not risen for this long is no knowledge of the chain any more. */
export const HEIGHT_MAX_AGE_MS = 15_000;

export function networkOf(config: Config): Network {
  const { DYDX_NETWORK: name, DYDX_CHAIN_ID, DYDX_VALIDATOR_URLS, DYDX_INDEXER_URL } = config;
  if (name === 'paper' && DYDX_VALIDATOR_URLS === undefined) {
    throw new ConfigError(
      'DYDX_NETWORK=paper needs DYDX_VALIDATOR_URLS and DYDX_INDEXER_URL: run `router paper` or `npm start`',
    );
  }
  try {
    return resolveNetwork(name, {
      chainId: DYDX_CHAIN_ID,
      validatorUrls: DYDX_VALIDATOR_URLS,
      indexerUrl: DYDX_INDEXER_URL,
    });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const named = message
      .replace('chainId', 'DYDX_CHAIN_ID')
      .replace('validatorUrls', 'DYDX_VALIDATOR_URLS')
      .replace('indexerUrl', 'DYDX_INDEXER_URL');
    throw new ConfigError(named);
  }
}

/** @param log told when one of several nodes is left out, and when it is asked again: a line per node and minute */
export function openValidator(config: Config, log: Logger): ClosableValidator {
  const { validatorUrls, chainId } = networkOf(config);
  return createValidators({
    urls: validatorUrls,
    chainId,
    timeoutMs: config.VALIDATOR_TIMEOUT_MS,
    connections: Math.max(256, config.SUBMIT_CONCURRENCY),
    onNodeChange: (host, isHealthy, why) => {
      if (isHealthy) log.info({ host, why }, 'validator asked again');
      else log.warn({ host, why }, 'validator left out');
    },
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

/** Without such a node nothing can prove that a stateful order never reached the chain. */
export const WHY_NO_TX_INDEX =
  'no validator that answers indexes transactions, so stateful orders cannot be proven absent: set tx_index = "kv" on a node of DYDX_VALIDATOR_URLS, or add one that has it';

/** For a start that is refused and for a check that fails. */
export function whyOtherChain(actual: string, chainId: string): string {
  return `the validator is on chain ${actual}, not ${chainId}: check DYDX_VALIDATOR_URLS and DYDX_CHAIN_ID`;
}
