// Which chain, and where its validators and its indexer are. The public networks are read out of the official client,
// so that no second list of hosts exists; paper and custom have none and must be told.
import { dydx } from '../chain/dydx.ts';

const NETWORK_NAMES = ['paper', 'testnet', 'mainnet', 'custom'] as const;
export type NetworkName = (typeof NETWORK_NAMES)[number];

export type Network = {
  readonly chainId: string;
  /** CometBFT JSON-RPC, one or more nodes of the chain */
  readonly validatorUrls: readonly string[];
  /** REST base, without /v4 */
  readonly indexerUrl: string;
};

export const PAPER_CHAIN_ID = 'dydx-paper-1';

export const networks = {
  testnet: fromClient(dydx.Network.testnet()),
  mainnet: fromClient(dydx.Network.mainnet()),
} as const satisfies Record<string, Network>;

/** What is given replaces the default; what is neither given nor known is an error that names it. */
export function resolveNetwork(
  name: NetworkName,
  given: { readonly [Field in keyof Network]?: Network[Field] | undefined } = {},
): Network {
  const known = defaultsOf(name);
  const chainId = given.chainId ?? known.chainId;
  if (known.chainId !== undefined && chainId !== known.chainId) {
    throw new Error(`network ${name} has chain id ${known.chainId}, not ${chainId}: use network custom`);
  }
  return {
    chainId: required(name, 'chainId', chainId),
    validatorUrls: required(name, 'validatorUrls', given.validatorUrls ?? known.validatorUrls).map((url) =>
      httpUrl(name, 'validatorUrls', url),
    ),
    indexerUrl: httpUrl(name, 'indexerUrl', given.indexerUrl ?? known.indexerUrl),
  };
}

function defaultsOf(name: NetworkName): Partial<Network> {
  switch (name) {
    case 'testnet':
    case 'mainnet':
      return networks[name];
    case 'paper':
      return { chainId: PAPER_CHAIN_ID };
    case 'custom':
      return {};
  }
}

function required<Value extends string | readonly string[]>(
  name: NetworkName,
  field: string,
  value: Value | undefined,
): Value {
  if (value === undefined || value.length === 0) throw new Error(`network ${name} needs ${field}`);
  return value;
}

function httpUrl(name: NetworkName, field: string, value: string | undefined): string {
  const text = required(name, field, value);
  if (!/^https?:$/.test(URL.parse(text)?.protocol ?? '')) {
    // Not repeated: its path may be a key.
    throw new Error(`network ${name}: ${field} is no http or https URL`);
  }
  return text.replace(/\/+$/, '');
}

function fromClient({ validatorConfig, indexerConfig }: ReturnType<typeof dydx.Network.testnet>): Network {
  return {
    chainId: validatorConfig.chainId,
    validatorUrls: [validatorConfig.restEndpoint.replace(/\/+$/, '')],
    indexerUrl: indexerConfig.restEndpoint.replace(/\/+$/, ''),
  };
}
