import { expect, test } from 'vitest';
import { statefulFacts, statefulAttempt } from './builders.ts';
import { ended } from './stored-order.ts';
import { whyUnproven } from '../../src/core/proof.ts';
import { decideStateful, type SignedStateful } from '../../src/core/stateful.ts';
import { createHeightFeed } from '../../src/venue/height-feed.ts';
import { createMarketTable } from '../../src/venue/market-table.ts';

const NONCE = 1_772_600_000_000;
const GOOD_TIL = new Date(NONCE + 3_600_000);
test('F1 expired after inclusion and sdk/32 on repeat', () => {
  const a = statefulAttempt({ txBytes: Uint8Array.of(1), included: { height: 102, code: 0 }, outcome: 'refused', codespace: 'sdk', code: 32, transmissions: 2 });
  const facts = statefulFacts({ status: 'OPEN', death: { cause: 'expired', height: 108, block_time_ms: GOOD_TIL.getTime() }, refusal: { codespace: 'sdk', code: 32, log: '' } });
  const rows = ended(facts, [], [a], 112, GOOD_TIL);
  console.log('F1', rows.order.status, rows.order.statusReason, whyUnproven(rows.order, rows.attempts, rows.fills));
});
const base: SignedStateful = { submitBy: undefined, goodTilTime: GOOD_TIL, isCancelRequested: false, held: undefined, nonce: NONCE, deadNonce: undefined, includedHeight: 100, isDead: false,
  latestAttempt: { attempt: 1, transmissions: 1, outcome: 'accepted', isNonceRefused: false } };
test('F7 present but expired by one wrong time; F14 stale feed', () => {
  console.log('F7', decideStateful(base, { kind: 'order', lookup: { kind: 'present', height: 200, isTriggered: false } }, { now: new Date(NONCE + 60_000), block: { height: 201, time: new Date('2099-01-01') } }));
  // feed 14 s old (allowed: 15 s); the node has passed good_til_time already
  const now = new Date(GOOD_TIL.getTime() + 500);
  console.log('F14', decideStateful(base, { kind: 'order', lookup: { kind: 'absent', height: 230 } }, { now, block: { height: 205, time: new Date(GOOD_TIL.getTime() - 12_000) } }));
});
test('F7b feed blind for ever after one answer from the future', async () => {
  let now = 1_000_000; const answers = [{ height: 100, time: new Date(1000) }, { height: 101, time: new Date('2099-01-01') }];
  let h = 102; 
  const feed = createHeightFeed({ validator: { latestBlock: async () => answers.shift() ?? { height: h++, time: new Date(2000 + h) } }, intervalMs: 1, maxAgeMs: 15_000, onError: () => {}, now: () => now });
  feed.start(); await new Promise((r) => setTimeout(r, 50));
  console.log('time given out while the chain says year 1970:', feed.current());
  // a liar that is also ahead in height
  const a2 = [{ height: 100, time: new Date(1000) }, { height: 9_000_000, time: new Date('2099-01-01') }]; let k = 102;
  const f2 = createHeightFeed({ validator: { latestBlock: async () => a2.shift() ?? { height: k++, time: new Date(2000 + k) } }, intervalMs: 1, maxAgeMs: 15_000, onError: () => {}, now: () => now });
  f2.start(); await new Promise((r) => setTimeout(r, 50)); now += 60_000; await new Promise((r) => setTimeout(r, 50));
  console.log('blind', f2.current(), f2.newest());
  await feed.stop(); await f2.stop();
});
test('F11 clock set back: stale height stays current', async () => {
  let now = 10_000_000; 
  const feed = createHeightFeed({ validator: { latestBlock: async () => ({ height: 100, time: new Date(1000) }) }, intervalMs: 1, maxAgeMs: 15_000, onError: () => {}, now: () => now });
  feed.start(); await new Promise((r) => setTimeout(r, 30)); now -= 3_600_000; const seen = now; now = seen + 3_500_000; // 58 min later, still before
  console.log('F11 height not risen for 58 minutes is current:', feed.current());
  await feed.stop();
});
test('F10 oracle of a market that the answers leave out', async () => {
  const m = (ticker: string, oraclePrice: string) => ({ ticker, clobPairId: 0, status: 'ACTIVE', atomicResolution: -10, quantumConversionExponent: -9, stepBaseQuantums: 1n, subticksPerTick: 1n, oraclePrice });
  const table = createMarketTable({ indexer: { markets: async () => [m('ETH-USD', '3000')] } as never, intervalMs: 10, onError: () => {} });
  table.seed([m('BTC-USD', '20000')]); // saved days ago
  table.start(); await new Promise((r) => setTimeout(r, 50));
  console.log('F10', table.get('BTC-USD')?.oraclePrice, 'age of the table', Date.now() - (table.loadedAtMs() ?? 0));
  await table.stop();
});
