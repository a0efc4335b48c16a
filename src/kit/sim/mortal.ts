// A process of the router that may end at any point: from then on none of its calls comes back, and no statement of it
// reaches the database. Before that it may be frozen, have a wrong clock, and lose its connection.
import type {
  KyselyPlugin,
  PluginTransformQueryArgs,
  PluginTransformResultArgs,
  QueryResult,
  RootOperationNode,
  UnknownRow,
} from 'kysely';
import type { Database } from '../../store/database.ts';
import type { World } from './world.ts';

export type Mortal = {
  readonly name: string;
  readonly isDead: () => boolean;
  /** by its own clock */
  readonly now: () => Date;
  readonly db: Database;
  /** A call of the process: it may come late, find the process dead before or after it, or end as an error. */
  readonly call: <Args extends readonly unknown[], Result>(
    run: (...args: Args) => Promise<Result>,
    group?: object,
  ) => (...args: Args) => Promise<Result>;
  /** Waits while it is frozen. */
  readonly awake: () => Promise<void>;
  /** Told once. */
  readonly onDeath: (tell: () => void) => void;
  readonly setSkew: (ms: number) => void;
};

/** As of a server that has gone: the class of SQLSTATE 08. */
class ConnectionLost extends Error {
  readonly code = '08006';
}

const never = <Result>(): Promise<Result> => new Promise(() => {});

export function createMortal(world: World, name: string): Mortal {
  const { random, scheduler, mishaps } = world;
  const told: (() => void)[] = [];
  let isDead = false;
  let frozenUntilMs = 0;
  let skewMs = 0;
  const { lifeSteps } = mishaps;
  let stepsLeft =
    lifeSteps === undefined ? Number.POSITIVE_INFINITY : Math.ceil(-Math.log(1 - random.next()) * lifeSteps);

  const step = (): void => {
    if (isDead || world.isHealed()) return;
    stepsLeft -= 1;
    if (stepsLeft > 0) return;
    isDead = true;
    world.note(name, 'dies');
    for (const tell of told) tell();
  };

  const pause = async (): Promise<void> => {
    if (!world.isHealed() && random.chance(mishaps.pauseRate)) {
      const isFrozen = random.chance(mishaps.freezeShare);
      if (isFrozen) {
        frozenUntilMs = scheduler.now() + random.between(4_000, 25_000);
        world.note(name, 'is frozen');
      } else await scheduler.sleep(random.between(1, 400));
    }
    await awake();
  };

  const awake = async (): Promise<void> => {
    while (frozenUntilMs > scheduler.now()) await scheduler.sleep(frozenUntilMs - scheduler.now());
  };

  const isCutOff = (): boolean => !world.isHealed() && random.chance(mishaps.databaseErrorRate);

  const plugin: KyselyPlugin = {
    transformQuery: ({ node }: PluginTransformQueryArgs): RootOperationNode => {
      step();
      if (isDead) throw new ConnectionLost('the process is dead');
      if (isCutOff()) throw new ConnectionLost('the connection is lost before the statement');
      return node;
    },
    transformResult: async ({ result }: PluginTransformResultArgs): Promise<QueryResult<UnknownRow>> =>
      result,
  };

  return {
    name,
    isDead: () => isDead,
    now: () => new Date(scheduler.now() + (world.isHealed() ? 0 : skewMs)),
    db: world.db.withPlugin(plugin),
    call:
      (run, group) =>
      async (...args) => {
        await pause();
        step();
        if (isDead) return never();
        try {
          const result = await scheduler.work(() => run(...args), group);
          await pause();
          step();
          if (isDead) return await never();
          if (isCutOff()) throw new ConnectionLost('the connection is lost before the answer');
          return result;
        } catch (error) {
          return isDead ? await never() : Promise.reject(error);
        }
      },
    awake,
    onDeath: (tell) => told.push(tell),
    setSkew: (ms) => {
      skewMs = ms;
    },
  };
}
