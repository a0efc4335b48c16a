// Seeds in a process of the simulation, on a database of the tests' server; wrong in one way, if a mutation is named.
import { fork } from 'node:child_process';
import type { SeedResult } from '../../../src/kit/sim/run-seed.ts';
import type { Batch, Told } from '../../../src/kit/sim/worker.ts';
import { createDatabase } from '../../support/databases.ts';
import { MUTATIONS, type Mutation, type MutationName, mutationEnvironment } from '../../support/mutations.ts';

const WORKER = new URL('../../../src/kit/sim/worker.ts', import.meta.url);

/** @returns one result a seed, up to the first that fails */
export async function simulate(seeds: readonly number[], mutation?: MutationName): Promise<SeedResult[]> {
  await using database = await createDatabase();
  const known: Mutation | undefined = mutation && MUTATIONS[mutation];
  const env = { ...process.env, ...(mutation === undefined ? {} : mutationEnvironment(mutation)) };
  const child = fork(WORKER, { env, execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const results: SeedResult[] = [];
  try {
    const over = Promise.withResolvers<void>();
    child.once('exit', (code) => over.reject(new Error(`the simulation ended with ${code}`)));
    child.on('message', (told: Told) => {
      if (told.kind === 'result') results.push(told.result);
      else if (told.kind === 'done') over.resolve();
      else if (told.kind === 'broken') over.reject(new Error(told.why));
    });
    const batch: Batch = { url: database.url, seeds, orders: 10, sql: known?.sql ?? [], isVerbose: false };
    child.send(batch);
    await over.promise;
    return results;
  } finally {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
  }
}
