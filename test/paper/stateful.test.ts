// The life of stateful orders: accepted into a mempool, included in the next block, matched from the block after it,
// and out of the state, with everything that was known of them, once they are filled, cancelled or expired.
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import type { Paper } from '../../src/paper/paper.ts';
import {
  createTrader,
  inSeconds,
  LONG_TERM,
  LOW,
  rpc,
  startTestPaper,
  steps,
  type Trader,
} from './trader.ts';

type AbciAnswer = { code: number; log: string; value: string | null; height: string; codespace: string };

async function abci(url: string, path: string, data: Uint8Array): Promise<AbciAnswer> {
  const answer = await rpc(url, 'abci_query', {
    path,
    data: Buffer.from(data).toString('hex'),
    prove: false,
  });
  return (answer.result as unknown as { response: AbciAnswer }).response;
}

async function stateful(paper: Paper, trader: Trader, clientId: number, node = paper.url) {
  const orderId = {
    subaccountId: { owner: trader.owner, number: 0 },
    clientId,
    orderFlags: LONG_TERM,
    clobPairId: 0,
  };
  const request = dydx.ClobModule.QueryStatefulOrderRequest.encode({ orderId }).finish();
  const answer = await abci(node, '/dydxprotocol.clob.Query/StatefulOrder', request);
  if (answer.value === null) return answer;
  return dydx.ClobModule.QueryStatefulOrderResponse.decode(Buffer.from(answer.value, 'base64'));
}

test('a long-term order is included in the next block, rests after it and can be cancelled', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'patient');
  const draft = { flags: LONG_TERM, subticks: LOW, quantums: steps(100) };
  const placed = await trader.place(draft);
  expect(placed).toMatchObject({ code: 0 });
  expect(await stateful(paper, trader, placed.clientId)).toMatchObject({ code: 22, codespace: 'sdk' });
  expect(paper.truth().orders).toMatchObject([{ live: true, accepted: 1, good_til_block: 0 }]);
  paper.produceBlock();
  expect(await stateful(paper, trader, placed.clientId)).toMatchObject({
    orderPlacement: { placementIndex: { blockHeight: 2, transactionIndex: 0 } },
    triggered: false,
  });
  expect((await trader.cancelStateful(placed.clientId)).code).toBe(0);
  paper.produceBlock();
  expect(await stateful(paper, trader, placed.clientId)).toMatchObject({ code: 22 });
  expect(paper.truth().orders).toMatchObject([{ live: false, removal: 'USER_CANCELED' }]);
  expect(paper.truth().transactions).toMatchObject([
    { hash: placed.hash, height: 2, index: 1, code: 0, nonce: 0, kinds: ['place'], order_ids: [placed.id] },
    { height: 3, code: 0, nonce: 1, kinds: ['cancel'], order_ids: [placed.id] },
  ]);
});

test('a long-term order that crosses fills as taker two blocks after its broadcast and is gone', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'eager');
  const { clientId, id } = await trader.place({ flags: LONG_TERM });
  paper.produceBlock();
  expect(paper.truth().fills).toEqual([]);
  paper.produceBlock();
  expect(paper.truth().fills).toMatchObject([{ order_id: id, height: 3, liquidity: 'TAKER', size: '0.01' }]);
  expect(paper.truth().orders).toMatchObject([{ live: false, removal: 'FULLY_FILLED' }]);
  expect(await stateful(paper, trader, clientId)).toMatchObject({ code: 22 });
  // The trap: the same OrderId is free again, and buys again.
  expect((await trader.place({ flags: LONG_TERM, clientId })).code).toBe(0);
  paper.produceBlock();
  paper.produceBlock();
  expect(paper.truth().orders).toMatchObject([{ filled_size: '0.02', accepted: 2 }]);
});

test('an included transaction is found by its hash, another is not', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'seeker');
  const { hash } = await trader.place({ flags: LONG_TERM, subticks: LOW });
  const find = (hex: string) => rpc(paper.url, 'tx', { hash: Buffer.from(hex, 'hex').toString('base64') });
  expect(await find(hash)).toMatchObject({ error: { data: `tx (${hash}) not found` } });
  paper.produceBlock();
  expect(await find(hash)).toMatchObject({
    result: { hash, height: '2', index: 1, tx_result: { code: 0, events: [] } },
  });
  paper.setNode(0, { tx_index: false });
  expect(await find(hash)).toMatchObject({ error: { data: 'transaction indexing is disabled' } });
});

test('an order ends at its time', async () => {
  await using paper = await startTestPaper();
  const trader = await createTrader(paper, 'late');
  expect((await trader.place({ flags: LONG_TERM, subticks: LOW, goodTilBlockTime: inSeconds(0) })).code).toBe(
    3003,
  );
});
