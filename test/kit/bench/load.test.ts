import { expect, test } from 'vitest';
import { acceptIntent } from '../../../src/app/accept.ts';
import { intentOf } from '../../../src/kit/bench/load.ts';
import { startPaper } from '../../../src/paper/paper.ts';
import { createIndexer } from '../../../src/venue/indexer.ts';

test('every order of a bench is one that the router takes, and both sides have as many', async () => {
  await using paper = await startPaper({ blockMs: 0 });
  const indexer = createIndexer({ url: paper.url, timeoutMs: 5_000 });
  const markets = new Map((await indexer.markets()).map((market) => [market.ticker, market]));
  await indexer.close();
  const door = {
    findMarket: (ticker: string) => markets.get(ticker),
    accounts: undefined,
    planSettings: { marketSlippagePpm: 50_000, iocGoodTilBlocks: 5 },
  };
  const intents = Array.from({ length: 64 }, (_, index) =>
    intentOf(index, { prefix: 'load', subaccounts: 4 }),
  );
  for (const intent of intents) expect(acceptIntent(intent, new Date(), door)).toMatchObject({ ok: true });
  expect(intents.filter(({ side }) => side === 'BUY')).toHaveLength(32);
  expect(new Set(intents.map(({ client_id }) => client_id)).size).toBe(64);
});
