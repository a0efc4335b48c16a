// Feeds a baseline's own producer, so that a few thousand orders always wait in its queue: what is done it learns from the
// exchange. Ends the producer with itself.
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { intentOf } from './load.ts';
import { countOrders } from './requests.ts';

type Spec = { readonly name: string; readonly exchangeUrl: string; readonly producer: string };

/** More than any baseline carries between two looks. */
const OUTSTANDING = 2_000;
const LOOK_MS = 100;

const { name, exchangeUrl, producer }: Spec = JSON.parse(process.argv[2] ?? '{}');
const child = spawn(process.execPath, [producer, name, '--bulk'], { stdio: ['pipe', 'ignore', 'inherit'] });
let isStopping = false;
for (const event of ['disconnect', 'SIGTERM', 'SIGINT']) {
  process.once(event, () => {
    isStopping = true;
  });
}
// A producer that died is told by its exit; what could not be written to it is lost with it.
child.stdin.on('error', () => {});
child.once('exit', (code) => {
  if (!isStopping) process.exit(code ?? 1);
});
process.send?.('ready');
let offered = 0;
while (!isStopping) {
  const due = (await countOrders(exchangeUrl)) + OUTSTANDING;
  while (offered < due) {
    child.stdin.write(`${JSON.stringify(intentOf(offered++, { prefix: 'bench', subaccounts: 1 }))}\n`);
  }
  await delay(LOOK_MS);
}
child.kill('SIGTERM');
if (process.connected) process.disconnect();
