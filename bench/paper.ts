// `npm run bench:paper`: how many short-term orders a second the paper exchange carries on one core, and what an order
// costs it, blocks, fills and the reading of every fill included. The exchange is a process of its own; orders are signed
// before they are sent, in rounds, because a good-til-block reaches 40 blocks. Exits 1 when an order is refused, a fill
// is missing, or the target is missed.
import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { Command } from 'commander';
import { publicKeyOf, sign, verify } from '../src/chain/ecdsa.ts';
import { wholeNumber } from '../src/cli/whole-number.ts';
import type { Signer, VenueOrder } from '../src/core/ports.ts';
import { marketOfTicker } from '../src/paper/markets.ts';
import type { PaperOptions } from '../src/paper/paper.ts';
import { paperAccountNumber } from '../src/paper/wire/accounts.ts';
import { ownerOf } from '../src/venue/keys.ts';
import { createSigner } from '../src/venue/signer.ts';
import { type Connection, getRequest, openConnection, postRequest } from './keep-alive.ts';
import { medianOf } from './measure.ts';
import { printTable } from './report.ts';
import { runBench } from './run.ts';

type Options = {
  readonly orders: number;
  readonly perRound: number;
  readonly connections: number;
  readonly owners: number;
  readonly blockMs: number;
  readonly nodes: number;
  readonly seed: number;
  readonly targetUs: number;
  readonly trustsSignatures: boolean;
  readonly cpuProf?: string;
  readonly json: boolean;
};

type Round = {
  readonly orders: number;
  readonly ordersPerS: number;
  /** of the exchange's process, for everything that happened in the round */
  readonly cpuUsPerOrder: number;
  /** of these, in the kernel: reading and writing sockets */
  readonly systemUsPerOrder: number;
  /** share of one core that the exchange got */
  readonly busy: number;
  readonly rssMb: number;
};

/** [ticker, quantums, a BUY's and a SELL's limit in subticks at start price ± 5 %] */
const TICKERS = ['BTC-USD', 'ETH-USD', 'SOL-USD', 'DOGE-USD'];
/** Signing a round takes seconds; this is how far ahead of the height its orders end. */
const GOOD_TIL_BLOCKS = 38;
const POLL_MS = 500;
/** Less than a page is read again at the next poll. */
const PAGE = 100;
/** proc(5): clock ticks a second */
const TICKS_PER_S = 100;
const CHECKS = 5_000;

const options = new Command('bench:paper')
  .description('Measures what the paper exchange carries on one core.')
  .option('--orders <n>', 'in all', wholeNumber(1), 60_000)
  .option('--per-round <n>', 'signed, then sent within their 40 blocks', wholeNumber(1), 10_000)
  .option('--connections <n>', 'each with one request at a time', wholeNumber(1, 1_000), 64)
  .option(
    '--owners <n>',
    'over which the orders go: the rate limit is 4000 in 5 blocks for each',
    wholeNumber(1),
    16,
  )
  .option('--block-ms <ms>', 'between blocks', wholeNumber(10), 500)
  .option('--nodes <n>', 'that gossip; all orders go to the first', wholeNumber(1, 8), 1)
  .option('--seed <n>', 'of prices and keys', wholeNumber(0, 1_000_000), 1)
  .option('--trusts-signatures', 'the mode for load tests: no signature is looked at', false)
  .option('--target-us <n>', 'CPU of an order in the median round', wholeNumber(1), 200)
  .option('--cpu-prof <dir>', 'where a profile of the exchange goes')
  .option('--json', 'one JSON object instead of a report', false)
  .parse()
  .opts<Options>();
await runBench((signal) => benchPaper(options, signal));

/** @returns the exit code */
async function benchPaper(options: Options, signal: AbortSignal): Promise<number> {
  await using started = new AsyncDisposableStack();
  const { url, pid, stop } = await startExchange(options);
  started.defer(stop);
  const signers = await Promise.all(
    Array.from({ length: options.owners }, (_, index) => signerOf(`bench ${options.seed} ${index}`)),
  );
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => openConnection(url)),
  );
  started.defer(async () => {
    for (const each of connections) each.end();
  });
  const reader = await openConnection(url);
  started.defer(async () => reader.end());

  const rounds: Round[] = [];
  const read = createReader(url, reader, signers);
  for (let sent = 0; sent < options.orders; sent += options.perRound) {
    signal.throwIfAborted();
    const count = Math.min(options.perRound, options.orders - sent);
    const height = await heightOf(url, reader);
    const requests = await signRound(url, signers, sent, count, height + GOOD_TIL_BLOCKS);
    rounds.push(await sendRound(requests, connections, read, pid, signal));
  }
  const signatureUs = signatureCheckUs();
  const missing = await missingFills(options.orders, read, signal);
  const cpuUs = medianOf(rounds.map((round) => round.cpuUsPerOrder));
  const result = {
    node: process.version,
    cpus: `${cpus().length} × ${cpus()[0]?.model}`,
    load: loadavg()[0],
    /** of one check alone, here and now: how fast this machine is */
    signature_check_us: Math.round(signatureUs),
    ...options,
    orders_per_s: Math.round(medianOf(rounds.map((round) => round.ordersPerS))),
    cpu_us_per_order: Math.round(cpuUs),
    orders_per_s_of_one_core: Math.round(1_000_000 / cpuUs),
    rss_mb: Math.max(...rounds.map((round) => round.rssMb)),
    missing_fills: missing,
  };
  if (options.json) console.log(JSON.stringify({ ...result, rounds }));
  else print(result, rounds);
  return missing === 0 && cpuUs <= options.targetUs ? 0 : 1;
}

async function startExchange({ blockMs, nodes, seed, trustsSignatures, cpuProf }: Options) {
  const paper: PaperOptions = { blockMs, nodes, seed, trustsSignatures };
  const child = fork(
    new URL('../src/kit/lab/exchange-process.ts', import.meta.url),
    [JSON.stringify(paper)],
    { execArgv: cpuProf === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${cpuProf}`] },
  );
  const started = await Promise.race([once(child, 'message'), once(child, 'exit').then(() => undefined)]);
  if (started === undefined) throw new Error('the exchange did not start');
  const [message] = started as [{ readonly url: string }];
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    await ended;
  };
  return { url: new URL(message.url), pid: child.pid ?? 0, stop };
}

async function signerOf(name: string): Promise<Signer> {
  const privateKey = createHash('sha256').update(name).digest();
  const accountNumber = paperAccountNumber(await ownerOf(privateKey));
  return createSigner({ privateKey, chainId: 'dydx-paper-1', accountNumber });
}

/** Both sides in turn, so that no position grows; every one crosses the book and fills in the next block. */
function orderOf(owner: string, index: number, goodTilBlock: number): VenueOrder {
  const ticker = TICKERS[index % TICKERS.length] ?? 'BTC-USD';
  const market = marketOfTicker(ticker);
  if (!market) throw new Error(`no such market: ${ticker}`);
  const isBuy = Math.floor(index / TICKERS.length) % 2 === 0;
  const limit = (market.startSubticks * (isBuy ? 110n : 90n)) / 100n;
  return {
    id: { owner, subaccountNumber: 0, clientId: index, clobPairId: market.clobPairId, orderFlags: 0 },
    side: isBuy ? 'BUY' : 'SELL',
    quantums: market.stepBaseQuantums,
    subticks: limit - (limit % market.subticksPerTick),
    timeInForce: 'IOC',
    reduceOnly: false,
    clientMetadata: 0,
    goodTilBlock,
  };
}

async function signRound(
  url: URL,
  signers: readonly Signer[],
  first: number,
  count: number,
  goodTilBlock: number,
): Promise<Buffer[]> {
  const requests: Buffer[] = [];
  for (let index = first; index < first + count; index++) {
    const signer = signers[index % signers.length];
    if (!signer) break;
    const { bytes } = await signer.sign(orderOf(signer.owner, index, goodTilBlock));
    const tx = Buffer.from(bytes).toString('base64');
    const call = { jsonrpc: '2.0', id: index, method: 'broadcast_tx_sync', params: { tx } };
    requests.push(postRequest(url, JSON.stringify(call)));
  }
  return requests;
}

async function sendRound(
  requests: readonly Buffer[],
  connections: readonly Connection[],
  read: Reader,
  pid: number,
  signal: AbortSignal,
): Promise<Round> {
  const before = cpuOf(pid);
  const startedMs = performance.now();
  let next = 0;
  const send = async (connection: Connection): Promise<void> => {
    for (let request = requests[next++]; request; request = requests[next++]) {
      signal.throwIfAborted();
      const answer = await connection.ask(request);
      if (!answer.includes('"code":0,')) throw new Error(`an order was refused: ${answer}`);
    }
  };
  // A reading that fails now fails again when it is awaited below.
  const reading = setInterval(() => void read.next().catch(() => {}), POLL_MS);
  await Promise.all(connections.map(send)).finally(() => clearInterval(reading));
  const seconds = (performance.now() - startedMs) / 1000;
  await read.next();
  const after = cpuOf(pid);
  const systemSeconds = after.system - before.system;
  const cpuSeconds = after.user - before.user + systemSeconds;
  return {
    orders: requests.length,
    ordersPerS: requests.length / seconds,
    cpuUsPerOrder: (cpuSeconds * 1_000_000) / requests.length,
    systemUsPerOrder: (systemSeconds * 1_000_000) / requests.length,
    busy: cpuSeconds / seconds,
    rssMb: rssMbOf(pid),
  };
}

type Reader = { readonly next: () => Promise<void>; readonly count: () => number };

/** Reads every fill once, page by page of each owner, as a reconciler does; a turn at a time. */
function createReader(url: URL, connection: Connection, signers: readonly Signer[]): Reader {
  const readers = signers.map(({ owner }) => ({ owner, page: 1, rows: 0 }));
  let turn: Promise<void> | undefined;
  const readAll = async (): Promise<void> => {
    for (const each of readers) {
      for (let isFull = true; isFull; ) {
        const path = `/v4/fills?address=${each.owner}&subaccountNumber=0&limit=${PAGE}&page=${each.page}`;
        const { fills } = JSON.parse(await connection.ask(getRequest(url, path))) as { fills: unknown[] };
        isFull = fills.length === PAGE;
        each.rows = (each.page - 1) * PAGE + fills.length;
        if (isFull) each.page += 1;
      }
    }
  };
  return {
    next() {
      turn ??= readAll().finally(() => {
        turn = undefined;
      });
      return turn;
    },
    count: () => readers.reduce((sum, { rows }) => sum + rows, 0),
  };
}

async function missingFills(orders: number, read: Reader, signal: AbortSignal): Promise<number> {
  const deadlineMs = performance.now() + 10_000;
  while (read.count() < orders && performance.now() < deadlineMs) {
    signal.throwIfAborted();
    await read.next();
  }
  return orders - read.count();
}

async function heightOf(url: URL, connection: Connection): Promise<number> {
  return Number(JSON.parse(await connection.ask(getRequest(url, '/v4/height'))).height);
}

/** Microseconds of CPU. */
function signatureCheckUs(): number {
  const privateKey = createHash('sha256').update('yardstick').digest();
  const [message, publicKey] = [Buffer.alloc(300), publicKeyOf(privateKey)];
  const signature = sign(message, privateKey);
  const before = process.cpuUsage();
  for (let turn = 0; turn < CHECKS; turn++) verify(message, signature, publicKey);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / CHECKS;
}

type Cpu = { readonly user: number; readonly system: number };

/** seconds, of all its threads */
function cpuOf(pid: number): Cpu {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]) / TICKS_PER_S, system: Number(fields[12]) / TICKS_PER_S };
}

function rssMbOf(pid: number): number {
  const kb = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kb) / 1000);
}

function print(result: object, rounds: readonly Round[]): void {
  console.log(JSON.stringify(result, undefined, 2));
  printTable(
    ['round', 'orders', 'orders/s', 'CPU µs/order', 'of these kernel', 'busy', 'RSS MB'],
    rounds.map(({ orders, ordersPerS, cpuUsPerOrder, systemUsPerOrder, busy, rssMb }, index) => [
      String(index + 1),
      String(orders),
      ordersPerS.toFixed(0),
      cpuUsPerOrder.toFixed(0),
      systemUsPerOrder.toFixed(0),
      busy.toFixed(2),
      String(rssMb),
    ]),
  );
}
