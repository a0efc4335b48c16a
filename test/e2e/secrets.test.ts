// Key material stays where it was given: not in logs, not in the queue, not in the database, not in errors. What looks for
// it finds it where it was planted.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { expect, inject, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { ORDERS_QUEUE } from '../../src/queue/jobs.ts';
import { loadPrivateKey } from '../../src/venue/keys.ts';
import { randomIntents } from '../support/intents.ts';
import {
  dumpDatabase,
  findKeyMaterial,
  mnemonicMaterial,
  privateKeyMaterial,
} from '../support/key-material.ts';
import { exitOf, startTestRouter, type TestRouter } from '../support/router.ts';
import { runProcess } from '../support/run-router.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const MNEMONIC =
  'legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth title';

type Heard = { readonly stop: () => Promise<void>; readonly text: () => string };

/** A worker process as it is, with all that it says. */
async function listenTo(
  router: TestRouter,
  script: string,
  settings: Record<string, string>,
): Promise<Heard> {
  const child = spawn(process.execPath, [join(ROOT, script)], {
    env: { ...process.env, ...router.settings, ...settings },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += chunk));
  await new Promise((resolve, reject) => {
    child.once('message', resolve);
    child.once('exit', () => reject(new Error(`${script} ended: ${said}`)));
  });
  return {
    stop: async () => {
      child.kill('SIGTERM');
      await exitOf(child);
    },
    text: () => said,
  };
}

async function dumpQueue(router: TestRouter): Promise<Map<string, string>> {
  const { REDIS_URL, QUEUE_PREFIX } = router.settings;
  // The PostgreSQL queue is in the database's dump.
  if (REDIS_URL === undefined) return new Map();
  const redis = new Redis(REDIS_URL);
  try {
    const keys = await redis.keys(`${QUEUE_PREFIX}*`);
    const dumps = await Promise.all(keys.map((key) => redis.dumpBuffer(key)));
    return new Map(keys.map((key, index) => [`redis ${key}`, `${key} ${dumps[index]?.toString('latin1')}`]));
  } finally {
    redis.disconnect();
  }
}

test('key material is nowhere in logs, queue, database and errors, and is found where it was planted', async () => {
  await using router = await startTestRouter({ settings: { LOG_LEVEL: 'trace' } });
  const folder = mkdtempSync(join(tmpdir(), 'router-keys-'));
  try {
    const key = loadPrivateKey({ mnemonic: MNEMONIC });
    const hex = Buffer.from(key).toString('hex');
    const { hdKey } = { hdKey: dydx.onboarding.deriveHDKeyFromMnemonic(MNEMONIC) };
    expect(Buffer.from(hdKey.privateKey ?? []).toString('hex')).toBe(hex);
    const [keyFile, wordsFile] = [join(folder, 'key'), join(folder, 'words')];
    writeFileSync(keyFile, hex, { mode: 0o600 });
    writeFileSync(wordsFile, MNEMONIC, { mode: 0o600 });
    const materials = [privateKeyMaterial(key), mnemonicMaterial(MNEMONIC)];

    // Both ways of giving a key, under faults that make everything talk.
    const heard = [
      await listenTo(router, 'workers/submitter.ts', { DYDX_PRIVATE_KEY_FILE: keyFile }),
      await listenTo(router, 'workers/submitter.ts', { DYDX_MNEMONIC_FILE: wordsFile }),
      await listenTo(router, 'workers/reconciler.ts', {}),
    ];
    router.paper.faults.add({ on: 'broadcast', action: 'drop_after', every: 3 });
    const good_til_time = new Date(Date.now() + 15_000).toISOString();
    const intents = [
      ...randomIntents(20, 71, 'secret'),
      ...['63000', '57000'].map((price, index) => ({
        client_id: `stateful-${index}`,
        tenant_id: 'default',
        market: 'BTC-USD',
        side: 'BUY' as const,
        type: 'LIMIT' as const,
        size: '0.01',
        price,
        good_til_time,
      })),
    ];
    await router.client.enqueue(intents);
    await router.client.cancel('secret-3');
    await router.settled(intents);

    const places = new Map([...(await dumpDatabase(router.db)), ...(await dumpQueue(router))]);
    for (const each of heard) await each.stop();
    for (const [index, each] of heard.entries()) places.set(`log ${index}`, each.text());

    // Errors of every kind of wrong key, and what the tools say of a right one.
    const wrong = [
      { DYDX_PRIVATE_KEY: hex.slice(0, 60) },
      { DYDX_PRIVATE_KEY: `${hex}00` },
      { DYDX_PRIVATE_KEY: hex, DYDX_MNEMONIC: MNEMONIC },
      { DYDX_MNEMONIC: MNEMONIC.replace('title', 'legal') },
      { DYDX_MNEMONIC: MNEMONIC.split(' ').slice(0, 23).join(' ') },
      { DYDX_PRIVATE_KEY: hex, DYDX_OWNER: 'dydx1nobody' },
      { DYDX_PRIVATE_KEY: MNEMONIC, DYDX_MNEMONIC_FILE: keyFile },
    ];
    for (const [index, settings] of wrong.entries()) {
      const { code, stdout, stderr } = await runProcess(['workers/submitter.ts'], {
        ...router.settings,
        ...settings,
      });
      expect(code).toBe(1);
      places.set(`error ${index}`, stdout + stderr);
    }
    for (const words of [['doctor'], ['keys', 'check'], ['keys', 'check', '--json'], ['show', 'secret-0']]) {
      const settings = { ...router.settings, DYDX_PRIVATE_KEY_FILE: keyFile };
      const { stdout, stderr } = await runProcess(['src/cli.ts', ...words], settings);
      places.set(words.join(' '), stdout + stderr);
    }
    expect(places.size).toBeGreaterThan(25);
    expect(findKeyMaterial(places, materials)).toEqual([]);

    // The same search, after a mistake of each kind.
    const planted = {
      ...randomIntents(1, 72, 'planted')[0],
      client_id: 'planted',
      metadata: { note: `key ${hex}` },
    };
    await router.client.enqueue(planted as (typeof intents)[number], { until: 'recorded' });
    const queue = router.queues.queue(ORDERS_QUEUE);
    await queue.add('place', { words: MNEMONIC.toString() });
    await queue.close();
    const leaky = new Map([
      ...(await dumpDatabase(router.db)),
      ...(await dumpQueue(router)),
      ['a log', `{"msg":"signing with ${hex.slice(0, 40)}…"}`],
      ['an error', `bad words: ${MNEMONIC.slice(0, 60)}`],
      ['raw bytes', Buffer.concat([Buffer.from('x'), key]).toString('latin1')],
    ]);
    const found = findKeyMaterial(leaky, materials);
    const inQueue = inject('queueKind') === 'redis' ? /^mnemonic in redis / : /^mnemonic in table bullmq\./;
    expect(found).toContain('private key in table public.orders');
    expect(found.filter((place) => inQueue.test(place)).length).toBeGreaterThan(0);
    for (const place of ['private key in a log', 'mnemonic in an error', 'private key in raw bytes']) {
      expect(found).toContain(place);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 300_000);
