// Several nodes as one validator: who is asked for what while some of them are slow, behind, silent, wrong or gone.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type ClosableValidator,
  createValidators,
  type ValidatorsOptions,
} from '../../src/venue/validators.ts';
import { abciError, byMethod, rpcError, rpcResult, status, TOLD_BY, type Told } from './rpc-script.ts';
import { type Script, type ScriptedServer, startServer } from './scripted-server.ts';

const TX = Uint8Array.of(1, 2, 3);
const HASH = 'AB'.repeat(32);
const OWNER = 'dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art';

/** For tests of what latency does. */
const REAL_TIME = { monotonicMs: () => performance.now(), stragglerMs: 50 };

let servers: ScriptedServer[];
let validator: ClosableValidator;
let changes: string[];

const at = (height: number, told: Told = {}): Told => ({
  height,
  time: new Date(Date.UTC(2026, 2, 4) + height * 1_000).toISOString(),
  ...told,
});

/** A node that is fine, but for what it is told otherwise. */
function node(told: Told, scripts: Readonly<Record<string, Script>> = {}): Script {
  return byMethod({ status: status(told), broadcast_tx_sync: rpcResult({ code: 0 }), ...scripts });
}

const script = (...scripts: Script[]) => {
  for (const [index, one] of scripts.entries()) {
    const server = servers[index];
    if (server !== undefined) server.answer = one;
  }
};

const silentNode: Script = () => {};
const brokenNode: Script = ({ res }) => res.writeHead(502).end();
/** Answers after ms, as a node at the other end of the world does. */
const slowly =
  (ms: number, answer: Script): Script =>
  (exchange) => {
    setTimeout(() => answer(exchange), ms);
  };

const hostOf = (index: number) => new URL(servers[index]?.url ?? '').host;
const asked = (index: number) => (servers[index]?.bodies ?? []).map((body) => JSON.parse(body).method);
const forget = () => {
  for (const server of servers) server.bodies.length = 0;
};
/** Which nodes got the bytes. */
const broadcasts = () =>
  servers.map((_, index) => asked(index).filter((one) => one === 'broadcast_tx_sync').length);

async function start(
  count: number,
  timeoutMs = 2_000,
  options: Partial<ValidatorsOptions> = {},
): Promise<void> {
  servers = await Promise.all(Array.from({ length: count }, () => startServer()));
  changes = [];
  validator = createValidators({
    urls: servers.map(({ url }, index) => `${url}/key-${index}`),
    ...TOLD_BY,
    now: () => Date.UTC(2026, 3, 4),
    timeoutMs,
    quietMs: 0,
    // All are equally fast and none is left behind, however loaded the machine is: see REAL_TIME.
    monotonicMs: () => 0,
    stragglerMs: 60_000,
    ...options,
    onNodeChange: (host, isHealthy, why) => {
      const index = servers.findIndex((_, one) => hostOf(one) === host);
      changes.push(`${index} ${isHealthy} ${why.replaceAll(/127\.0\.0\.1:\d+/g, 'HOST')}`);
    },
  });
}

beforeEach(() => start(3));
afterEach(stop);

/** The servers first: the validator waits for what is under way. */
async function stop(): Promise<void> {
  await Promise.all(servers.map((server) => server.close()));
  await validator.close();
}

describe('latestBlock', () => {
  test('asks all nodes and gives the newest block', async () => {
    script(node(at(100)), node(at(102)), node(at(101)));
    expect((await validator.latestBlock()).height).toBe(102);
    expect([0, 1, 2].map(asked)).toEqual([['status'], ['status'], ['status']]);
    expect(changes).toEqual([]);
  });

  test('a silent node holds it up for a moment only, and is asked once while it is silent', async () => {
    await stop();
    await start(3, 30_000, REAL_TIME);
    script(node(at(100)), silentNode, node(at(100)));
    const startedMs = performance.now();
    await validator.latestBlock();
    await validator.latestBlock();
    expect(performance.now() - startedMs).toBeLessThan(20_000);
    expect(asked(1)).toEqual(['status']);
  });

  test('a node whose deadline has passed is asked again', async () => {
    await stop();
    await start(3, 300, REAL_TIME);
    script(node(at(100)), silentNode, node(at(100)));
    await validator.latestBlock();
    const late = ['1 false status failed at HOST: no answer within 300 ms'];
    await vi.waitFor(() => expect(changes).toEqual(late), 5_000);
    await validator.latestBlock();
    expect(asked(1)).toEqual(['status', 'status']);
  });

  test('a slow node counts when its answer has come', async () => {
    await stop();
    await start(3, 5_000, REAL_TIME);
    script(node(at(100)), slowly(500, node(at(105))), node(at(100)));
    expect((await validator.latestBlock()).height).toBe(100);
    await vi.waitFor(async () => expect((await validator.latestBlock()).height).toBe(105), 5_000);
  });

  test('nodes that cannot be asked are told by their hosts, without the key in their paths', async () => {
    script(brokenNode, brokenNode, node(at(100, { isCatchingUp: true })));
    await expect(validator.latestBlock()).rejects.toThrow(
      new RegExp(
        `^no validator follows the chain: status failed at ${hostOf(0)}: HTTP 502; status failed at ${hostOf(1)}: HTTP 502; ${hostOf(2)} is catching up: it does not know the newest blocks$`,
      ),
    );
    script(brokenNode, brokenNode, brokenNode);
    const failed = validator.latestBlock();
    await expect(failed).rejects.toThrow(`status failed at ${hostOf(2)}`);
    await expect(failed).rejects.not.toThrow(/key-/);
  });

  test('a block from the future is not believed, and its node gets nothing', async () => {
    script(node(at(100)), node(at(1_000_000, { time: '2027-01-01T00:00:00Z' })), node(at(100)));
    expect((await validator.latestBlock()).height).toBe(100);
    expect((await validator.latestBlock()).height).toBe(100);
    expect(changes).toEqual([
      expect.stringMatching(/^1 false the newest block of HOST is \d+\.0 s in the future/),
    ]);
    for (let turn = 0; turn < 2; turn++) await validator.broadcast(TX, undefined, turn);
    expect(broadcasts()).toEqual([1, 0, 1]);
  });

  test('one wrong high answer is an answer, and is forgotten when its node is gone', async () => {
    script(node(at(100)), node(at(1_000_000)), node(at(100)));
    expect((await validator.latestBlock()).height).toBe(1_000_000);
    script(node(at(101)), brokenNode, node(at(101)));
    await validator.latestBlock();
    expect((await validator.latestBlock()).height).toBe(101);
    for (let turn = 0; turn < 2; turn++) await validator.broadcast(TX, undefined, turn);
    expect(broadcasts()).toEqual([1, 0, 1]);
  });
});

describe('who is asked', () => {
  /** Twice: what the newest block is must be known before somebody can be behind it. */
  async function look(): Promise<void> {
    await validator.latestBlock().catch(() => {});
    await validator.latestBlock().catch(() => {});
  }

  const reasons: readonly (readonly [name: string, bad: Script, why: string])[] = [
    ['is more than two blocks behind', node(at(97)), '0 false HOST is 3 blocks behind'],
    [
      'is catching up',
      node(at(100, { isCatchingUp: true })),
      '0 false HOST is catching up: it does not know the newest blocks',
    ],
    ['fails', brokenNode, '0 false status failed at HOST: HTTP 502'],
  ];
  for (const [name, bad, why] of reasons) {
    test(`a node that ${name} gets nothing until it is well again`, async () => {
      script(bad, node(at(100)), node(at(100)));
      await look();
      expect(changes).toEqual([why]);
      for (let turn = 0; turn < 4; turn++) await validator.broadcast(TX, undefined, turn);
      expect(broadcasts()).toEqual([0, 2, 2]);

      script(node(at(101)), node(at(101)), node(at(101)));
      await look();
      expect(changes).toEqual([why, '0 true it answers and follows the chain']);
      forget();
      for (let turn = 0; turn < 3; turn++) await validator.broadcast(TX, undefined, turn);
      expect(broadcasts()).toEqual([1, 1, 1]);
    });
  }

  test('a node two blocks behind is as good as the others', async () => {
    script(node(at(98)), node(at(100)), node(at(100)));
    await look();
    expect(changes).toEqual([]);
    for (let turn = 0; turn < 3; turn++) await validator.broadcast(TX, undefined, turn);
    expect(broadcasts()).toEqual([1, 1, 1]);
  });

  test('a node that is silent gets nothing long before its own deadline', async () => {
    await stop();
    await start(2, 30_000, REAL_TIME);
    script(silentNode, node(at(100)));
    await validator.latestBlock();
    await vi.waitFor(() => expect(changes).toEqual(['0 false HOST has not answered for 1000 ms']), 5_000);
    await validator.broadcast(TX);
    expect(broadcasts()).toEqual([0, 1]);
  });

  test('the fastest node gets the first turn, the next turn is another node', async () => {
    await stop();
    await start(3, 5_000, REAL_TIME);
    script(slowly(1_000, node(at(100))), node(at(100)), slowly(1_000, node(at(100))));
    await vi.waitFor(async () => {
      await validator.latestBlock();
      // Asked again: its first answer has come.
      expect([0, 2].map((index) => asked(index).length > 1)).toEqual([true, true]);
    }, 5_000);
    await validator.broadcast(TX);
    expect(broadcasts()).toEqual([0, 1, 0]);
    await validator.broadcast(TX, undefined, 1);
    await validator.broadcast(TX, undefined, 2);
    expect(broadcasts()).toEqual([1, 1, 1]);
  });

  test('before anything is known the first one that answers is asked', async () => {
    // Slower than the timeout, so that a loaded machine chooses no other one.
    script(node(at(1)), slowly(3_000, node(at(1))), slowly(3_000, node(at(1))));
    expect(await validator.broadcast(TX)).toMatchObject({ kind: 'check_tx', code: 0 });
    expect(broadcasts()).toEqual([1, 0, 0]);
    // After its status: of a node whose chain is not known nothing is asked.
    expect(asked(0)).toEqual(['status', 'broadcast_tx_sync']);
  });

  test('when none is well the one with the newest block is used, then the others', async () => {
    script(node(at(100)), node(at(103)), node(at(101)));
    await look();
    script(
      ...[0, 1, 2].map(() => byMethod({ status: brokenNode, broadcast_tx_sync: rpcResult({ code: 0 }) })),
    );
    await look();
    await validator.broadcast(TX);
    expect(broadcasts()).toEqual([0, 1, 0]);
    await validator.broadcast(TX, undefined, 1);
    await validator.broadcast(TX, undefined, 2);
    expect(broadcasts()).toEqual([1, 1, 1]);
  });

  test('a broadcast is what one node says: no other one is tried in the same turn', async () => {
    script(node(at(100), { broadcast_tx_sync: brokenNode }), node(at(100)), node(at(100)));
    expect(await validator.broadcast(TX)).toEqual({ kind: 'no_answer', reason: 'HTTP 502' });
    expect(broadcasts()).toEqual([1, 0, 0]);
  });

  test('mayLeave is asked by the node that is used', async () => {
    script(node(at(1)), node(at(1)), node(at(1)));
    expect(await validator.broadcast(TX, () => false, 2)).toMatchObject({ kind: 'not_sent' });
    expect(broadcasts()).toEqual([0, 0, 0]);
  });
});

describe('queries', () => {
  const notFound = rpcError({ code: -32603, message: 'Internal error', data: `tx (${HASH}) not found` });

  test('go to the next node when one cannot say', async () => {
    script(node(at(100, { txIndex: 'off' }), { tx: notFound }), brokenNode, node(at(100), { tx: notFound }));
    expect(await validator.findTx(HASH)).toMatchObject({ kind: 'absent', block: { height: 100 } });
  });

  test('of a stateful order go on to a node that is high enough', async () => {
    const absentAt = (height: string) =>
      node(at(100), { abci_query: abciError(22, 'not found', { height }) });
    script(absentAt('98'), absentAt('99'), absentAt('100'));
    const id = { owner: OWNER, subaccountNumber: 0, clientId: 1, clobPairId: 0, orderFlags: 64 };
    expect(await validator.statefulOrder(id, 100)).toEqual({ kind: 'absent', height: 100 });
    await expect(validator.statefulOrder(id, 101)).rejects.toThrow('answered for block 98');
  });

  test('do not go to a node that is left out', async () => {
    script(
      node(at(90), { tx: notFound }),
      node(at(100), { tx: brokenNode }),
      node(at(100), { tx: brokenNode }),
    );
    await validator.latestBlock();
    await validator.latestBlock();
    forget();
    await expect(validator.findTx(HASH)).rejects.toThrow(/^tx failed at/);
    expect([0, 1, 2].map(asked)).toEqual([[], ['status', 'tx'], ['status', 'tx']]);
  });

  test('tell the height since which a transaction was signed', async () => {
    script(
      node(at(100, { earliestHeight: '90' }), { tx: notFound }),
      node(at(100, { earliestHeight: '50' }), { tx: notFound }),
      node(at(100, { earliestHeight: '90' }), { tx: notFound }),
    );
    expect(await validator.findTx(HASH, 50)).toMatchObject({ kind: 'absent' });
    await expect(validator.findTx(HASH, 49)).rejects.toThrow(/knows blocks from (50|90) on, not from 49 on/);
  });

  test('fail with what the best node said', async () => {
    const mute = node(at(100), { abci_query: brokenNode });
    script(mute, mute, mute);
    for (const query of [
      () => validator.accountNumber(OWNER),
      () => validator.blockRateLimits(),
      () => validator.equityTiers(),
      () => validator.authenticators(OWNER),
    ]) {
      await expect(query()).rejects.toThrow(`abci_query failed at ${hostOf(0)}: HTTP 502`);
    }
  });
});

describe('chainId', () => {
  test('is the one of all nodes that can be reached', async () => {
    script(node(at(100)), brokenNode, node(at(100)));
    expect(await validator.chainId()).toBe('dydx-paper-1');
  });

  test('two chains are an error that names both, with their hosts', async () => {
    script(node(at(100)), node(at(100, { chainId: 'dydx-testnet-4' })), brokenNode);
    await expect(validator.chainId()).rejects.toThrow(
      `the validators are on several chains, all must be nodes of one: ${hostOf(0)} on dydx-paper-1, ${hostOf(1)} on dydx-testnet-4`,
    );
  });

  test('a node that comes back on another chain gets nothing, however high its blocks are', async () => {
    script(brokenNode, node(at(100)), node(at(100)));
    await validator.chainId();
    script(node(at(900, { chainId: 'dydx-testnet-4' })), node(at(101)), node(at(101)));
    await validator.latestBlock();
    expect((await validator.latestBlock()).height).toBe(101);
    // Left out before for another reason: no news.
    expect(changes).toEqual(['0 false status failed at HOST: HTTP 502']);
    for (let turn = 0; turn < 2; turn++) await validator.broadcast(TX, undefined, turn);
    expect(broadcasts()).toEqual([0, 1, 1]);
    await expect(validator.chainId()).rejects.toThrow('several chains');
  });

  test('a wrong chain is told and not taken over: its nodes get nothing', async () => {
    const notFound = rpcError({ code: -32603, message: 'Internal error', data: `tx (${HASH}) not found` });
    const other = node(at(900, { chainId: 'dydx-testnet-4' }), {
      tx: notFound,
      abci_query: abciError(22, 'not found', { height: '900' }),
    });
    script(other, other, other);
    expect(await validator.chainId()).toBe('dydx-testnet-4');
    const why = `no validator follows the chain: ${[0, 1, 2].map((index) => `${hostOf(index)} is on chain dydx-testnet-4, not dydx-paper-1`).join('; ')}`;
    const id = { owner: OWNER, subaccountNumber: 0, clientId: 1, clobPairId: 0, orderFlags: 64 };
    for (const question of [
      () => validator.latestBlock(),
      () => validator.findTx(HASH),
      () => validator.statefulOrder(id, 1),
      () => validator.accountNumber(OWNER),
    ]) {
      await expect(question()).rejects.toThrow(why);
    }
    expect(await validator.broadcast(TX)).toEqual({ kind: 'not_sent', reason: why });
    for (const index of [0, 1, 2]) expect(new Set(asked(index))).toEqual(new Set(['status']));
  });

  test('a node of another chain gets nothing when all others are gone', async () => {
    script(node(at(900, { chainId: 'dydx-testnet-4' })), node(at(100)), node(at(100)));
    await validator.latestBlock();
    const gone = byMethod({ status: brokenNode, broadcast_tx_sync: rpcResult({ code: 0 }) });
    script(node(at(901, { chainId: 'dydx-testnet-4' })), gone, gone);
    await expect(validator.latestBlock()).rejects.toThrow('no validator follows the chain');
    for (let turn = 0; turn < 3; turn++) await validator.broadcast(TX, undefined, turn);
    expect(broadcasts()).toEqual([0, 2, 1]);
    await expect(validator.findTx(HASH)).rejects.toThrow(`status failed at ${hostOf(1)}`);
    expect(new Set(asked(0))).toEqual(new Set(['status']));
  });

  test('nobody who can be reached is an error', async () => {
    script(brokenNode, brokenNode, brokenNode);
    await expect(validator.chainId()).rejects.toThrow(`status failed at ${hostOf(0)}: HTTP 502`);
  });
});

describe('one URL alone', () => {
  beforeEach(async () => {
    await stop();
    await start(1);
  });

  test('gets broadcasts although it is not well, and is not left out', async () => {
    script(node(at(100, { isCatchingUp: true })));
    await expect(validator.latestBlock()).rejects.toThrow(`${hostOf(0)} is catching up`);
    expect(await validator.broadcast(TX, undefined, 3)).toMatchObject({ kind: 'check_tx' });
    expect(changes).toEqual([]);
  });

  test('that turns out to be of another chain after the start gets nothing', async () => {
    script(node(at(100)));
    await validator.latestBlock();
    script(node(at(101, { chainId: 'dydx-testnet-4' })));
    const why = `${hostOf(0)} is on chain dydx-testnet-4, not dydx-paper-1`;
    await expect(validator.latestBlock()).rejects.toThrow(why);
    expect(await validator.broadcast(TX)).toMatchObject({
      kind: 'not_sent',
      reason: expect.stringContaining(why),
    });
    expect(broadcasts()).toEqual([0]);
  });
});

describe('indexesTransactions', () => {
  const off = { txIndex: 'off' };

  test('is true when any node of the chain indexes them', async () => {
    script(node(at(100, off)), node(at(100)), node(at(100, off)));
    expect(await validator.indexesTransactions()).toBe(true);
    script(node(at(100, off)), node(at(100, { chainId: 'other-1' })), node(at(100, off)));
    expect(await validator.indexesTransactions()).toBe(false);
  });

  test('goes by what a node said last while it is away, and throws when none can be asked', async () => {
    script(node(at(100, off)), node(at(100)), node(at(100, off)));
    await validator.latestBlock();
    script(node(at(101, off)), brokenNode, node(at(101, off)));
    expect(await validator.indexesTransactions()).toBe(true);
    script(brokenNode, brokenNode, brokenNode);
    await expect(validator.indexesTransactions()).rejects.toThrow(`status failed at ${hostOf(0)}`);
  });
});

test('a node that flaps is told of once in the quiet time, then as it is by then', async () => {
  await stop();
  let nowMs = 1_000_000;
  await start(2, 2_000, { quietMs: 60_000, monotonicMs: () => nowMs });
  const good = node(at(100));
  const turn = async (first: Script) => {
    script(first, good);
    await validator.latestBlock();
    await validator.latestBlock();
  };
  for (let flap = 0; flap < 3; flap++) {
    await turn(brokenNode);
    await turn(good);
  }
  const gone = '0 false status failed at HOST: HTTP 502';
  expect(changes).toEqual([gone]);
  nowMs = 1_059_999;
  await turn(good);
  expect(changes).toEqual([gone]);
  nowMs = 1_060_000;
  await turn(good);
  expect(changes).toEqual([gone, '0 true it answers and follows the chain']);
});

test('no URL is a bug', () => {
  expect(() => createValidators({ urls: [], chainId: 'dydx-paper-1', timeoutMs: 1 })).toThrow(
    'at least one URL',
  );
});
