// The exchange of a bench: a process of its own that refuses nobody for a rate or for money, for these are not measured.
import { join } from 'node:path';
import type { PaperOptions } from '../../paper/paper.ts';
import type { Servers } from '../lab/servers.ts';
import { startWorkerProcess, type WorkerProcess } from '../lab/worker-process.ts';

type Exchange = {
  readonly process: WorkerProcess;
  readonly url: string;
  readonly nodes: readonly string[];
};

const PROGRAM = join(import.meta.dirname, '..', 'lab', 'exchange-process.ts');

export async function startExchange(
  servers: Servers,
  { blockMs, seed }: { readonly blockMs: number; readonly seed: number },
): Promise<Exchange> {
  const options: PaperOptions = {
    blockMs,
    seed,
    rateLimit: { limit: 10_000_000, blocks: 5 },
    startUsdc: '1000000000',
  };
  const process = startWorkerProcess({
    args: [PROGRAM, JSON.stringify(options)],
    env: {},
    logFile: join(servers.folder, 'exchange.log'),
  });
  const { url, nodes } = (await process.ready) as Pick<Exchange, 'url' | 'nodes'>;
  return { process, url, nodes };
}
