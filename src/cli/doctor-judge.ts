// What the doctor makes of what it found. PURE: facts → judgement, with what to do in the same breath.
import type { RedisFacts } from '../queue/inspect-redis.ts';
import type { DatabaseFacts } from '../store/inspect.ts';
import type { Heartbeat } from '../store/queue-heartbeats.ts';
import type { IndexerBudget } from '../venue/indexer-budget.ts';

export type Judgement = {
  readonly status: 'ok' | 'warn' | 'FAIL' | 'skip';
  readonly found: string;
  /** empty when there is nothing to do */
  readonly todo: string;
};

export const ok = (found: string): Judgement => ({ status: 'ok', found, todo: '' });
export const warn = (found: string, todo: string): Judgement => ({ status: 'warn', found, todo });
export const fail = (found: string, todo: string): Judgement => ({ status: 'FAIL', found, todo });
export const skip = (why: string): Judgement => ({ status: 'skip', found: why, todo: '' });

const MIN_NODE = 24;
/** A clock that is further off makes orders that are stale look fresh, and nonces that the chain refuses. */
const MAX_CLOCK_MS = 5_000;
const NOTABLE_CLOCK_MS = 1_000;
/** A height that has not risen for this long is not signed with. */
const MAX_BLOCK_AGE_MS = 15_000;
/** Of the indexer behind the validator, and what the reconciler believes of it ahead. */
const NOTABLE_LAG_BLOCKS = 10;
const MAX_AHEAD_BLOCKS = 20;
const FEW_SUBMITTERS = 2;

export function judgeNode(version: string): Judgement {
  const major = Number(/^v?(\d+)\./.exec(version)?.[1]);
  return major >= MIN_NODE
    ? ok(version)
    : fail(version, `needs Node ${MIN_NODE}, which npm brings: start by npm run or npx router`);
}

export function judgeDatabaseVersion({ versionNumber, version }: DatabaseFacts): Judgement {
  return versionNumber >= 150_000
    ? ok(`PostgreSQL ${version}`)
    : fail(`PostgreSQL ${version}`, 'upgrade to 15 or newer');
}

export function judgeDurability(facts: DatabaseFacts): Judgement {
  if (facts.isInRecovery) return fail('a standby, it takes no writes', 'set DATABASE_URL to the primary');
  const found = `fsync ${facts.fsync}, full_page_writes ${facts.fullPageWrites}, synchronous_commit ${facts.synchronousCommit}`;
  if (facts.fsync === 'off' || facts.fullPageWrites === 'off') {
    return warn(found, 'a crash of the machine may destroy the database: set fsync and full_page_writes on');
  }
  if (facts.synchronousCommit === 'off') {
    return warn(found, 'a crash may forget orders that were sent: set synchronous_commit on');
  }
  return ok(found);
}

export function judgeExtensions({ extensions }: DatabaseFacts): Judgement {
  return extensions.includes('pg_stat_statements')
    ? ok('pg_stat_statements')
    : ok('no pg_stat_statements (optional: it shows which statements are slow)');
}

/** @param perSubmitter connections of one more process */
export function judgeConnections(facts: DatabaseFacts, perSubmitter: number): Judgement {
  const room = facts.maxConnections - facts.reservedConnections - facts.usedConnections;
  const submitters = Math.max(0, Math.floor(room / perSubmitter));
  const found = `${facts.usedConnections} of ${facts.maxConnections} in use, ${facts.reservedConnections} reserved, ${perSubmitter} a submitter: room for ${submitters} more`;
  if (submitters >= FEW_SUBMITTERS) return ok(found);
  return warn(found, 'raise max_connections before starting more processes');
}

export function judgeRights({ role, actsAs }: DatabaseFacts, lacking: readonly string[]): Judgement {
  const as = actsAs.length === 0 ? 'workers do' : `${actsAs.join(' and ')} may`;
  if (lacking.length === 0) return ok(`${role} may do what ${as}`);
  return fail(
    `${role} lacks ${lacking.join(', ')}`,
    `as a superuser: router roles --grant ${role}=worker (or app, maintenance, …)`,
  );
}

/** Who may migrate and vacuum; that a worker may not is as it should be. */
export function judgeOwnership(facts: DatabaseFacts, unmaintainable: readonly string[]): Judgement {
  const { role, canCreate, actsAs } = facts;
  if (actsAs.length > 0 && !actsAs.includes('cryptopulse_maintenance') && !canCreate) {
    return ok(`${actsAs.join(' and ')} neither migrates nor vacuums: others do`);
  }
  if (unmaintainable.length > 0) {
    return warn(
      `${role} may not vacuum ${unmaintainable.join(', ')}`,
      'run the maintenance process by a login of cryptopulse_maintenance (router roles)',
    );
  }
  if (!canCreate && actsAs.length === 0) {
    return warn(`${role} cannot create in this database`, 'run `router migrate` as its owner');
  }
  return ok(`${role} may ${canCreate ? 'migrate and vacuum' : 'vacuum'}`);
}

/** A pooler that lends a connection per transaction takes no settings from the client. */
export function judgePooling(facts: DatabaseFacts, isPooled: boolean): Judgement {
  if (!isPooled) return ok('none: every session is a connection of its own');
  if (facts.statementTimeoutMs > 0) return ok(`statements end after ${facts.statementTimeoutMs} ms`);
  return warn(
    `behind it ${facts.role} has no statement_timeout`,
    'router roles --grant USER=ROLE keeps the timeouts with the login',
  );
}

export function judgeSchema(problem: string | undefined, applied: readonly string[]): Judgement {
  if (problem === undefined) return ok(`${applied.length} applied, newest ${applied.at(-1) ?? 'none'}`);
  const [found, ...todo] = problem.split(': ');
  return fail(found ?? problem, todo.join(': '));
}

export function judgeDatabaseClock({ clockAheadMs }: DatabaseFacts): Judgement {
  const found = `${clockAheadMs >= 0 ? '+' : ''}${clockAheadMs} ms to this machine's`;
  if (Math.abs(clockAheadMs) > MAX_CLOCK_MS) return fail(found, 'set both clocks by NTP');
  if (Math.abs(clockAheadMs) > NOTABLE_CLOCK_MS) return warn(found, 'is NTP running on both machines?');
  return ok(found);
}

export function judgeInstallation(installed: string | undefined, configured: string): Judgement {
  if (installed === configured) return ok(`belongs to ${installed}`);
  if (installed === undefined) return ok(`unclaimed, the first process makes it ${configured}'s`);
  return fail(
    `belongs to ${installed}, the settings say ${configured}`,
    'use another database (DATABASE_URL), or correct DYDX_NETWORK and DYDX_CHAIN_ID',
  );
}

export function judgeChain(actual: string, configured: string): Judgement {
  return actual === configured
    ? ok(actual)
    : fail(
        `the validator is on ${actual}, the settings say ${configured}`,
        'check DYDX_VALIDATOR_URLS and DYDX_CHAIN_ID',
      );
}

export function judgeBlock(
  block: { readonly height: number; readonly time: Date },
  nowMs: number,
): Judgement {
  const ageMs = nowMs - block.time.getTime();
  const found = `block ${block.height}, ${(ageMs / 1000).toFixed(1)} s old`;
  if (ageMs < -MAX_CLOCK_MS) return fail(found, "this machine's clock is slow: set it by NTP");
  if (ageMs > MAX_BLOCK_AGE_MS) {
    return fail(found, 'the node has stopped, or this clock is fast: try another node, set the clock by NTP');
  }
  if (ageMs > MAX_CLOCK_MS) return warn(found, 'is this clock set by NTP, does the node keep up?');
  return ok(found);
}

export function judgeIndexer(indexerHeight: number, chainHeight: number | undefined): Judgement {
  if (chainHeight === undefined) return ok(`block ${indexerHeight}; no validator to compare with`);
  const lag = chainHeight - indexerHeight;
  const found = `block ${indexerHeight}, ${Math.abs(lag)} blocks ${lag < 0 ? 'ahead of' : 'behind'} the validator`;
  if (lag < -MAX_AHEAD_BLOCKS) {
    return warn(found, 'nothing is settled meanwhile: is the validator stuck, is it the same chain?');
  }
  if (lag > NOTABLE_LAG_BLOCKS)
    return warn(found, 'final statuses come that much later; orders are not harmed');
  return ok(found);
}

/** @param intervalMs of the reconciler, which asks twice a pass and subaccount */
export function judgeBudget(budget: IndexerBudget | undefined, intervalMs: number): Judgement {
  const need = `one active subaccount needs about ${Math.ceil(20_000 / intervalMs)} in 10 s`;
  if (budget === undefined) return ok(`not told; ${need}`);
  const { remaining, limit } = budget;
  const found = `${remaining} ${limit === undefined ? '' : `of ${limit} `}requests left; ${need}`;
  if (remaining * intervalMs < 20_000)
    return warn(found, 'raise RECONCILE_INTERVAL_MS, or leave this address to it');
  return ok(found);
}

export function judgeRedisVersion(nodes: readonly RedisFacts[]): Judgement {
  const found = [...new Set(nodes.map(({ version }) => version))].join(', ');
  const wrongMode = nodes.find(({ kind, mode }) => mode === 'cluster' && kind !== 'cluster');
  if (wrongMode) return fail(`${found}, a node of a cluster`, 'write redis-cluster:// in REDIS_URL');
  if (nodes.some(({ mode }) => mode === 'sentinel')) {
    return fail(`${found}, a sentinel`, 'write redis-sentinel://hosts/master in REDIS_URL');
  }
  const oldest = Math.min(...nodes.map(({ version }) => redisVersionNumber(version)));
  const size = nodes.length > 1 ? `${nodes.length} masters, ` : '';
  if (oldest < 5_000) return fail(`${size}${found}`, 'BullMQ needs 6.2');
  if (oldest < 6_002) return warn(`${size}${found}`, 'BullMQ recommends 6.2 or newer');
  return ok(`${size}${found}`);
}

/** 7002 for 7.2; what cannot be read is not old */
function redisVersionNumber(version: string): number {
  const [, major, minor] = /(\d+)\.(\d+)/.exec(version) ?? [];
  return major === undefined ? Number.POSITIVE_INFINITY : Number(major) * 1_000 + Number(minor);
}

export function judgeRedisEviction(nodes: readonly RedisFacts[], isProduction: boolean): Judgement {
  const evicting = nodes.find(({ policy }) => policy !== 'noeviction');
  const judge = isProduction ? fail : warn;
  if (evicting?.policy !== undefined) {
    return judge(`maxmemory-policy ${evicting.policy}`, 'it loses jobs: set noeviction');
  }
  if (evicting) return judge('maxmemory-policy not told', 'allow INFO to the user in REDIS_URL');
  const memory = nodes.map(({ usedMemory }) => usedMemory).join(', ');
  return ok(`noeviction, ${memory} in use`);
}

export function judgeRedisPersistence(nodes: readonly RedisFacts[], isProduction: boolean): Judgement {
  const judge = isProduction ? fail : warn;
  if (nodes.some(({ isAppendOnly }) => isAppendOnly === false)) {
    return judge('appendonly no', 'a crash loses jobs: set appendonly yes and appendfsync always');
  }
  if (nodes.some(({ isAppendOnly }) => isAppendOnly === undefined)) {
    return judge('persistence not told', 'allow INFO to the user in REDIS_URL');
  }
  if (nodes.some(({ isAofBroken }) => isAofBroken)) {
    return fail('the last write to its append-only file failed', "look at Redis's log and its disk");
  }
  const fsync = nodes.map(({ appendfsync }) => appendfsync).find((value) => value !== 'always');
  if (nodes.every(({ appendfsync }) => appendfsync === undefined)) {
    return ok('appendonly yes, appendfsync not told');
  }
  if (fsync !== undefined) {
    return warn(
      `appendonly yes, appendfsync ${fsync}`,
      'the last second may be lost in a crash: set appendfsync always',
    );
  }
  const isUnguarded = nodes.some(
    ({ kind, minReplicasToWrite }) => kind === 'sentinel' && minReplicasToWrite === 0,
  );
  if (isUnguarded) {
    return warn(
      'appendfsync always, min-replicas-to-write 0',
      'a master that is cut off takes jobs which the failover loses: set it to 1',
    );
  }
  return ok('appendonly yes, appendfsync always');
}

export function judgeHeartbeats(
  beats: readonly Heartbeat[],
  queues: readonly string[],
  maxAgeMs: number,
): Judgement {
  const found = queues.map((queue) => {
    const beat = beats.find((one) => one.queue === queue);
    return { queue, ageMs: beat?.ageMs };
  });
  const text = found
    .map(
      ({ queue, ageMs }) => `${queue} ${ageMs === undefined ? 'never' : `${Math.round(ageMs / 1000)} s ago`}`,
    )
    .join(', ');
  const silent = found.filter(({ ageMs }) => ageMs === undefined || ageMs > maxAgeMs);
  if (silent.length === 0) return ok(text);
  return warn(text, `is a worker of ${silent.map(({ queue }) => queue).join(' and ')} running?`);
}

/** @param upkeep of each task that has ever run */
export function judgeMaintenance(
  upkeep: readonly { readonly task: string; readonly hasFailed: boolean; readonly lastDoneAt: Date | null }[],
): Judgement {
  const failed = upkeep.filter(({ hasFailed }) => hasFailed).map(({ task }) => task);
  if (failed.length > 0) return warn(`${failed.join(', ')} failed`, 'router maintenance shows why');
  const done = upkeep.filter(({ lastDoneAt }) => lastDoneAt !== null).map(({ task }) => task);
  if (done.length === 0)
    return warn('nothing was ever done', 'run a maintenance process, or the lines of deploy/crontab');
  return ok(`done: ${done.toSorted().join(', ')}`);
}
