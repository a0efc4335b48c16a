// The unmodified @dydxprotocol/v4-client-js, connected to a paper exchange.
import { dydx } from '../../src/chain/dydx.ts';
import type { Paper } from '../../src/paper/paper.ts';

const OWNER_KEY = '11'.repeat(32);

type ConnectOptions = { readonly useTimestampNonce?: boolean };

export async function connect(paper: Paper, { useTimestampNonce = false }: ConnectOptions = {}) {
  const denominations = {
    USDC_DENOM: 'ibc/usdc',
    USDC_DECIMALS: 6,
    CHAINTOKEN_DENOM: 'adydx',
    CHAINTOKEN_DECIMALS: 18,
  };
  const network = new dydx.Network(
    paper.chainId,
    new dydx.IndexerConfig(paper.url, paper.url.replace('http', 'ws')),
    new dydx.ValidatorConfig(
      paper.url,
      paper.chainId,
      denominations,
      undefined,
      undefined,
      useTimestampNonce,
    ),
  );
  const client = await dydx.CompositeClient.connect(network);
  const wallet = await dydx.LocalWallet.fromPrivateKey(OWNER_KEY, 'dydx');
  const subaccount = dydx.SubaccountInfo.forLocalWallet(wallet, 0);
  return { client, subaccount, owner: wallet.address ?? '' };
}
