// `producer.mjs naive|ccxt [--bulk]`: intents as JSON lines from stdin, each one a job; a line of stdout when the queue
// has taken it. --bulk: addBulk of all the lines that one read has brought.
import { jobOf, makeQueue, openQueue } from './queue.mjs';
import { readSettings } from './settings.mjs';
import { makeTables, openDatabase } from './tables.mjs';

function report(client_id, outcome, error) {
  if (error !== undefined) process.exitCode = 1;
  console.log(JSON.stringify({ client_id, outcome, error: error?.message }));
}

function read(line) {
  try {
    return [JSON.parse(line)];
  } catch (error) {
    report(null, 'refused', error);
    return [];
  }
}

/** @param add takes jobs, resolves when the queue has them */
async function enqueue(add, intents) {
  try {
    await add(intents.map(jobOf));
    for (const { client_id } of intents) report(client_id, 'queued');
  } catch (error) {
    for (const { client_id } of intents) report(client_id, 'failed', error);
  }
}

async function run() {
  const isBulk = process.argv.includes('--bulk');
  const settings = readSettings();
  const pool = openDatabase(settings.databaseUrl);
  await makeTables(pool);
  await pool.end();
  await makeQueue(settings);
  const queue = openQueue(settings);

  const addBulk = (jobs) => queue.addBulk(jobs);
  const addOne = ([{ name, data, opts }]) => queue.add(name, data, opts);
  const enqueueAll = async (lines) => {
    const intents = lines.filter((line) => line.trim() !== '').flatMap(read);
    if (intents.length === 0) return;
    if (isBulk) await enqueue(addBulk, intents);
    else await Promise.all(intents.map((intent) => enqueue(addOne, [intent])));
  };

  let rest = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    const lines = `${rest}${chunk}`.split('\n');
    rest = lines.pop();
    await enqueueAll(lines);
  }
  await enqueueAll([rest]);
  await queue.close();
}

run().catch((error) => {
  console.error(`producer.mjs: ${error.message || error.code}`);
  process.exit(1);
});
