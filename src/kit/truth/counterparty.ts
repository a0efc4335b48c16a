// Somebody else at the exchange, whom a scenario needs to trade with: sells to orders that rest, or rests to be bought from.

import { sha256 } from '../../chain/ecdsa.ts';
import { SHORT_TERM } from '../../core/order-uuid.ts';
import { priceToSubticks, sizeToQuantums } from '../../core/quantize.ts';
import { marketOfTicker } from '../../paper/markets.ts';
import type { Paper } from '../../paper/paper.ts';
import { createSigner } from '../../venue/signer.ts';
import { createValidator } from '../../venue/validator.ts';

export type Counterparty = AsyncDisposable & {
  /** @param isResting else what does not match at once is cancelled */
  readonly sell: (order: {
    readonly size: string;
    readonly price: string;
    readonly isResting: boolean;
  }) => Promise<void>;
  /** So many small sells, a multiple of 50, that rest in one place: what buys them all has a fill of each. */
  readonly restMany: (count: number) => Promise<void>;
};

const KEY = sha256(Buffer.from('dydx-order-router paper counterparty'));
const MARKET = 'BTC-USD';
const LIVES_BLOCKS = 40;
const AT_A_TIME = 50;

export async function openCounterparty(paper: Paper): Promise<Counterparty> {
  const market = marketOfTicker(MARKET);
  if (market === undefined) throw new Error(`no market ${MARKET}`);
  const validator = createValidator({
    url: paper.url,
    chainId: paper.chainId,
    timeoutMs: 10_000,
    connections: 8,
  });
  const { owner } = await createSigner({ privateKey: KEY, chainId: paper.chainId, accountNumber: 0 });
  const signer = await createSigner({
    privateKey: KEY,
    chainId: paper.chainId,
    accountNumber: await validator.accountNumber(owner),
  });
  let clientId = 0;
  const sell: Counterparty['sell'] = async ({ size, price, isResting }) => {
    const [quantums, subticks] = [sizeToQuantums(size, market), priceToSubticks(price, market)];
    if (quantums === undefined || subticks === undefined)
      throw new Error(`off the grid: ${size} at ${price}`);
    clientId += 1;
    const tx = await signer.sign({
      id: {
        owner,
        subaccountNumber: 0,
        clientId,
        orderFlags: SHORT_TERM,
        clobPairId: market.clobPairId,
      },
      side: 'SELL',
      quantums,
      subticks,
      timeInForce: isResting ? 'GTT' : 'IOC',
      reduceOnly: false,
      clientMetadata: 0,
      goodTilBlock: paper.height() + LIVES_BLOCKS,
    });
    const answer = await validator.broadcast(tx.bytes, () => true, 0);
    if (answer.kind !== 'check_tx' || answer.code !== 0)
      throw new Error(`the exchange refused the counterparty: ${JSON.stringify(answer)}`);
  };
  return {
    sell,
    restMany: async (count) => {
      const one = { size: '0.01', price: '62500', isResting: true };
      for (let made = 0; made < count; made += AT_A_TIME)
        await Promise.all(Array.from({ length: AT_A_TIME }, () => sell(one)));
    },
    [Symbol.asyncDispose]: () => validator.close(),
  };
}
