// `worker.mjs naive|ccxt`: one job is one intent is one order. Row, send, update; a throw is BullMQ's to try again.
import { runPoller } from './poller.mjs';
import { makeQueue, openWorker } from './queue.mjs';
import { readSettings } from './settings.mjs';
import { insertPending, makeTables, markOpen, markRejected, openDatabase } from './tables.mjs';

/** Then the process ends with jobs unfinished; a client that hangs would keep it for 5 minutes. */
const CLOSE_TIMEOUT_MS = 10_000;

// Each loads some hundred modules that the other does not need.
const ADAPTERS = {
  naive: async (settings) => (await import('./naive.mjs')).openNaive(settings),
  ccxt: async (settings) => (await import('./ccxt.mjs')).openCcxt(settings),
};

async function run() {
  const settings = readSettings();
  const pool = openDatabase(settings.databaseUrl);
  await makeTables(pool);
  await makeQueue(settings);
  const adapter = await ADAPTERS[settings.adapter](settings);

  const worker = openWorker(settings, async ({ data: intent }) => {
    if (!(await insertPending(pool, settings.adapter, intent))) return;
    const placed = await adapter.place(intent);
    await markOpen(pool, intent, placed);
  });
  worker.on('failed', async (job, error) => {
    // Set by the last attempt only.
    if (!job?.finishedOn) return;
    try {
      await markRejected(pool, job.data.client_id, error);
    } catch (failure) {
      console.error('database:', failure.message);
    }
  });
  const polling = new AbortController();
  const poller = settings.isPoller ? runPoller(settings, pool, adapter.owner, polling.signal) : undefined;

  const stop = async () => {
    setTimeout(() => process.exit(1), CLOSE_TIMEOUT_MS);
    polling.abort();
    await worker.close();
    await poller;
    await pool.end();
    process.exit(0);
  };
  for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.once(event, stop);

  await worker.waitUntilReady();
  if (process.send) process.send('ready');
  else console.log('ready');
}

run().catch((error) => {
  console.error(`worker.mjs: ${error.message || error.code}`);
  process.exit(1);
});
