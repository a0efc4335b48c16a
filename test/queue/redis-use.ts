// A queue with a worker, as the processes of the router have it.
import { type BackendOptions, chooseBackend, type QueueBackend } from '../../src/queue/backend.ts';

export type UsedQueue = AsyncDisposable & {
  readonly backend: QueueBackend;
  readonly add: (n: number) => Promise<void>;
  /** what the worker has worked off so far */
  readonly done: ReadonlySet<number>;
  readonly startWorker: () => Promise<void>;
  readonly stopWorker: () => Promise<void>;
  /** Resolves when the worker has done all of these. */
  readonly worked: (numbers: readonly number[]) => Promise<void>;
};

const WAIT_MS = 20_000;

type Where = Pick<BackendOptions, 'redisUrl' | 'maxSilenceMs'>;

export function useQueue(where: string | Where): UsedQueue {
  const options = typeof where === 'string' ? { redisUrl: where } : where;
  return useBackend(chooseBackend({ databaseUrl: 'postgres://nobody@localhost/unused', ...options }));
}

export function useBackend(backend: QueueBackend): UsedQueue {
  const queue = backend.queue<{ n: number }>('orders');
  queue.on('error', () => {});
  const done = new Set<number>();
  let stopWorker = async () => {};
  return {
    backend,
    done,
    add: async (n) => {
      await queue.add('count', { n }, { attempts: 100, backoff: { type: 'custom' } });
    },
    startWorker: async () => {
      const worker = backend.worker<{ n: number }>(
        'orders',
        async (job) => {
          done.add(job.data.n);
        },
        { concurrency: 8, drainDelay: 1, backoff: () => 50 },
      );
      worker.on('error', () => {});
      stopWorker = () => worker.close();
      await worker.waitUntilReady();
      void worker.run();
    },
    stopWorker: () => stopWorker(),
    worked: async (numbers) => {
      const deadline = Date.now() + WAIT_MS;
      while (!numbers.every((n) => done.has(n))) {
        if (Date.now() > deadline) {
          throw new Error(`not worked off: ${numbers.filter((n) => !done.has(n)).join(', ')}`);
        }
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
    },
    [Symbol.asyncDispose]: async () => {
      await stopWorker();
      await queue.close();
      await backend.close();
    },
  };
}

/** Until it succeeds: how many times it failed before, and when it was too late. */
export async function persist(work: () => Promise<void>, timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
