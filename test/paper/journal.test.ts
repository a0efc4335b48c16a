// The journal: what was visible before a crash is visible after it, and the height never goes back.
import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Truth } from '../../src/paper/truth.ts';
import { blockTimeMs, findStateful, findTx, getJson } from './ask.ts';
import { CONDITIONAL, createTrader, HIGH, IOC, LONG_TERM, LOW, startTestPaper, steps } from './trader.ts';

let dataDir = '';
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'paper-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const journal = () => join(dataDir, 'paper-journal.jsonl');

test('a restart continues height, fills, fill memory and the facts of every order', async () => {
  const before = await startTestPaper({ dataDir });
  const trader = await createTrader(before, 'survivor');
  const filled = await trader.place({ goodTilBlock: 9 });
  await trader.place({ subticks: LOW, timeInForce: IOC });
  await trader.place({ quantums: steps(1_000_000), timeInForce: IOC });
  await trader.place({ goodTilBlock: 0 });
  const resting = await trader.place({ subticks: LOW, goodTilBlock: 20 });
  before.produceBlock();
  const truth = before.truth();
  await before.close();

  await using after = await startTestPaper({ dataDir });
  const forgotten = { live: false, removal: 'NODE_RESTARTED' };
  const orders = truth.orders.map((order) => (order.id === resting.id ? { ...order, ...forgotten } : order));
  expect(after.truth()).toEqual({ ...truth, orders });
  const again = await createTrader(after, 'survivor');
  expect(await again.place({ clientId: filled.clientId, goodTilBlock: 12 })).toMatchObject({
    codespace: 'clob',
    code: 24,
  });
  after.produceBlock();
  expect(after.height()).toBe(truth.height + 1);
});

test('fill memory that ran out before the restart stays out, the rest ends at its height', async () => {
  const before = await startTestPaper({ dataDir });
  const trader = await createTrader(before, 'survivor');
  const { clientId } = await trader.place({ goodTilBlock: 2 });
  while (before.height() < 30) before.produceBlock();
  await before.close();
  await using after = await startTestPaper({ dataDir });
  const again = await createTrader(after, 'survivor');
  while (after.height() < 41) after.produceBlock();
  expect((await again.place({ clientId, goodTilBlock: 42 })).code).toBe(24);
  after.produceBlock();
  expect((await again.place({ clientId, goodTilBlock: 43 })).code).toBe(0);
});

test('stateful orders, their fills, nonces, results and the levers survive; the mempool does not', async () => {
  const before = await startTestPaper({ dataDir, statefulRateLimits: [] });
  const trader = await createTrader(before, 'survivor');
  const filled = await trader.place({ flags: LONG_TERM });
  const resting = await trader.place({ flags: LONG_TERM, subticks: LOW });
  const stop = await trader.place({
    flags: CONDITIONAL,
    side: 'SELL',
    subticks: LOW,
    conditionType: 1,
    triggerSubticks: HIGH,
  });
  await trader.place({ flags: LONG_TERM, sequence: await blockTimeMs(before.url) });
  before.setMarket({ ticker: 'COMP-USD', status: 'ACTIVE' });
  before.setBalance({ owner: trader.owner, usdc: '12345' });
  const config = Buffer.from(trader.wallet.pubKey?.value ?? '', 'base64').toString('base64');
  before.addAuthenticator({ owner: trader.owner, type: 'SignatureVerification', config });
  before.produceBlock();
  before.produceBlock();
  const lost = await trader.place({ flags: LONG_TERM, subticks: LOW });
  const truth = before.truth();
  await before.close();

  await using after = await startTestPaper({ dataDir, statefulRateLimits: [] });
  const orders = truth.orders.map((order) =>
    order.id === lost.id ? { ...order, live: false, removal: 'NODE_RESTARTED' } : order,
  );
  expect(after.truth()).toEqual({ ...truth, orders });
  const again = await createTrader(after, 'survivor');
  expect(await again.accountSequence()).toBe(3);
  expect(await findStateful(after.url, trader.owner, resting.clientId)).toMatchObject({
    height: 2,
    index: 1,
  });
  expect(await findStateful(after.url, trader.owner, filled.clientId)).toBeUndefined();
  expect(await findTx(after.url, stop.hash)).toMatchObject({ result: { height: '2' } });
  expect((await again.cancelStateful(resting.clientId, { sequence: 3 })).code).toBe(0);
  after.produceBlock();
  expect(after.truth().orders.find(({ id }) => id === resting.id)).toMatchObject({
    removal: 'USER_CANCELED',
  });
});

test('a stateful order whose match died with the process is matched again', async () => {
  const before = await startTestPaper({ dataDir });
  const trader = await createTrader(before, 'rematched');
  const { id } = await trader.place({ flags: LONG_TERM });
  before.produceBlock();
  await before.close();
  await using after = await startTestPaper({ dataDir });
  expect(after.truth()).toMatchObject({ fills: [], orders: [{ live: true }] });
  after.produceBlock();
  expect(after.truth().fills).toMatchObject([{ order_id: id, height: 3, size: '0.01' }]);
});

test('a journal of the first version is read and goes on', async () => {
  const lines = [
    { t: 'head', version: 1, chain_id: 'dydx-paper-1', seed: 1 },
    { t: 'block', height: 2, timeMs: Date.now(), fills: [], expired: [] },
  ];
  writeFileSync(journal(), lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await using paper = await startTestPaper({ dataDir });
  const trader = await createTrader(paper, 'heir');
  expect((await trader.place({ flags: LONG_TERM })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth()).toMatchObject({ height: 3, transactions: [{ height: 3, code: 0 }] });
});

test('a torn last line is dropped with a warning and the journal goes on', async () => {
  const first = await startTestPaper({ dataDir });
  first.produceBlock();
  await first.close();
  appendFileSync(journal(), '{"t":"block","height":3,"timeM');
  const warnings: string[] = [];
  const log = (level: string, message: string) => {
    if (level === 'warn') warnings.push(message);
  };
  const second = await startTestPaper({ dataDir, log });
  expect(second.height()).toBe(2);
  expect(warnings).toEqual(['paper journal: torn last line dropped']);
  second.produceBlock();
  await second.close();
  expect(
    readFileSync(journal(), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).height),
  ).toEqual([undefined, 2, 3]);
});

test('a journal of another chain or seed, or with a foreign line, is refused with a reason', async () => {
  await (await startTestPaper({ dataDir })).close();
  await expect(startTestPaper({ dataDir, chainId: 'other-1' })).rejects.toThrow(
    /belongs to chain dydx-paper-1.*other-1/,
  );
  await expect(startTestPaper({ dataDir, seed: 2 })).rejects.toThrow(
    /seed 1, not to dydx-paper-1 with seed 2/,
  );
  appendFileSync(journal(), 'nonsense\n');
  await expect(startTestPaper({ dataDir })).rejects.toThrow(/paper-journal.jsonl:2 is no line/);
});

test('after kill -9 nothing that was seen is gone', async () => {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'paper-process.ts'), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString().trim()));
      child.once('exit', (code) => reject(new Error(`the paper process ended with ${code}`)));
    });
    const truthOf = async (): Promise<Truth> => (await getJson<Truth>(`${url}/paper/truth`)).body;
    const remote = { url, chainId: 'dydx-paper-1' };
    let height = 0;
    const trader = await createTrader({ ...remote, height: () => height } as never, 'killed');
    for (let round = 0; round < 20; round++) {
      height = (await truthOf()).height;
      await trader.place({ quantums: steps(1), timeInForce: IOC, goodTilBlock: height + 20 });
    }
    const seen = await truthOf();
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;

    await using after = await startTestPaper({ dataDir });
    const truth = after.truth();
    expect(seen.fills.length).toBeGreaterThan(0);
    expect(truth.height).toBeGreaterThanOrEqual(seen.height);
    expect(truth.fills.slice(0, seen.fills.length)).toEqual(seen.fills);
    const byId = new Map(truth.orders.map((order) => [order.id, order]));
    for (const order of seen.orders) {
      expect(byId.get(order.id)).toMatchObject({ deliveries: order.deliveries, accepted: order.accepted });
    }
  } finally {
    child.kill('SIGKILL');
  }
});
