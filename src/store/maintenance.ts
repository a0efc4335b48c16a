// The runs of maintenance tasks: one of a task at a time over all processes, each with its row. VACUUM cannot run in a
// transaction, so the turn is a session's advisory lock; whatever works for a run works on that session or is broken off
// when it is lost, and no two runs of a task can ever overlap.
import { sql } from 'kysely';
import pg from 'pg';
import type { Counts, LastRuns, RunTask } from '../core/upkeep.ts';
import type { Database } from './database.ts';

/** What a task's work gets. */
export type Run = {
  /**
   * Holds the turn: a statement on it cannot run without. Acts as the owner where VACUUM needs that; no statement_timeout; waits 5 s for a lock.
   * When the run is broken off, its statement is cancelled.
   */
  readonly session: pg.Client;
  /** Broken off: by Ctrl-C, by a stop, or because the session is lost. */
  readonly signal: AbortSignal;
  readonly progress: Progress;
};

/**
 * How far it is: the row keeps the last counts when the run does not end well.
 * @param share 0 to 1, of what is to be done, where that is known
 */
type Progress = (counts: Counts, share?: number) => void;

export type Work = (run: Run) => Promise<Counts>;

export type RunOptions = {
  readonly db: Database;
  /** past a pooler */
  readonly url: string;
  readonly task: RunTask;
  /** who asked, e.g. `schedule` or `anna@host` */
  readonly startedBy: string;
  readonly signal: AbortSignal;
  readonly onProgress?: Progress;
  /** this machine's clock, unix ms */
  readonly now?: () => number;
};

type Turn = {
  readonly locked: boolean;
  readonly pid: number;
  readonly since: string;
  readonly now: Date;
};

const LOCK_TIMEOUT = '5s';
const CONNECT_TIMEOUT_MS = 5_000;
/** A machine that vanished says no good-bye: its turn ends after a minute, and not after the system's two hours. */
const KEEPALIVES = ['tcp_keepalives_idle = 30', 'tcp_keepalives_interval = 10', 'tcp_keepalives_count = 3'];
/** What is old is moved and deleted: neither by a clock that has jumped nor against one. */
const MAX_CLOCK_MS = 5 * 60_000;
/** A dead process's row would look as if it still ran; whoever has the turn knows better. */
const VANISHED = 'its process ended without a word';

export async function lastRuns(db: Database, task: RunTask): Promise<LastRuns> {
  // One index entry each. A run from before the clock was set back would hold up everything until then.
  const newest = (outcome: 'done' | 'failed') => sql<Date | null>`(
    SELECT started_at FROM maintenance_runs
    WHERE task = ${task} AND outcome = ${outcome} AND started_at <= clock_timestamp() + interval '1 minute'
    ORDER BY started_at DESC LIMIT 1)`;
  const { rows } = await sql<{ done: Date | null; failed: Date | null; now: Date }>`
    SELECT ${newest('done')} AS done, ${newest('failed')} AS failed, clock_timestamp() AS now`.execute(db);
  const [row] = rows;
  if (row === undefined) throw new Error('the database tells no time');
  return { done: row.done ?? undefined, failed: row.failed ?? undefined, now: row.now };
}

/** The newest first. */
export function listRuns(db: Database, limit: number) {
  return db
    .selectFrom('maintenance_runs')
    .select(['id', 'task', 'started_by', 'started_at', 'ended_at', 'outcome', 'counts', 'error'])
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
}

/** Throws, and records it, when the work fails. */
export async function runTask(
  { db, url, task, startedBy, signal, onProgress, now = Date.now }: RunOptions,
  work: Work,
): Promise<{ outcome: 'busy' } | { outcome: 'done' | 'stopped'; counts: Counts; ms: number }> {
  signal.throwIfAborted();
  const lost = new AbortController();
  const session = new pg.Client({
    connectionString: url,
    application_name: `dydx-order-router ${task}`,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  });
  const lose = (error?: Error) =>
    lost.abort(new Error(`the session of the run is lost${error === undefined ? '' : `: ${error.message}`}`));
  session.on('error', lose);
  session.on('end', () => lose());
  await session.connect();
  let isClean = false;
  try {
    const { rows } = await session.query<Turn>(
      `SELECT pg_try_advisory_lock(hashtext($1)) AS locked, pid, backend_start::text AS since, clock_timestamp() AS now
      FROM pg_stat_activity WHERE pid = pg_backend_pid()`,
      [`maintenance ${task}`],
    );
    const [turn] = rows;
    if (turn?.locked !== true) {
      isClean = true;
      return { outcome: 'busy' };
    }
    const { id, started_at: startedAt } = await begin(db, task, startedBy);
    let counts: Counts = {};
    const end = async (outcome: 'done' | 'failed' | 'stopped', error: string | null) => {
      const { rows: ended } = await sql<{ ms: number }>`
        UPDATE maintenance_runs SET ended_at = clock_timestamp(), outcome = ${outcome}, error = ${error},
          counts = ${JSON.stringify(counts)}::jsonb
        WHERE id = ${id} RETURNING extract(epoch FROM clock_timestamp() - ${startedAt}::timestamptz)::float8 * 1000 AS ms`.execute(
        db,
      );
      return Math.round(ended[0]?.ms ?? 0);
    };
    const broken = AbortSignal.any([signal, lost.signal]);
    const cancel = () => {
      // A number of a process that is gone may be another's.
      sql`SELECT pg_cancel_backend(pid) FROM pg_stat_activity
        WHERE pid = ${turn.pid} AND backend_start = ${turn.since}::timestamptz`
        .execute(db)
        .catch(() => {});
    };
    broken.addEventListener('abort', cancel);
    try {
      refuseWrongClock(turn.now, now());
      await actAsOwner(session);
      // The login's own is for statements of a moment.
      await session.query('SET statement_timeout = 0');
      await session.query(`SET lock_timeout = '${LOCK_TIMEOUT}'`);
      for (const setting of KEEPALIVES) await session.query(`SET ${setting}`);
      counts = await work({
        session,
        signal: broken,
        progress: (sofar, share) => {
          counts = sofar;
          onProgress?.(sofar, share);
        },
      });
      isClean = true;
    } catch (thrown) {
      if (signal.aborted && !lost.signal.aborted)
        return { outcome: 'stopped', counts, ms: await end('stopped', null) };
      const error = lost.signal.aborted ? lost.signal.reason : thrown;
      // The error is what counts: a row that cannot be written now is ended by the next run.
      await end('failed', error instanceof Error ? error.message : String(error)).catch(() => {});
      throw error;
    } finally {
      broken.removeEventListener('abort', cancel);
    }
    return { outcome: 'done', counts, ms: await end('done', null) };
  } finally {
    // What is in doubt is not asked politely: a session that hangs would keep the turn.
    if (isClean) await session.end();
    else session.connection.stream.destroy();
  }
}

function refuseWrongClock(database: Date, ownMs: number): void {
  const aheadS = Math.round((database.getTime() - ownMs) / 1000);
  if (Math.abs(aheadS) * 1000 <= MAX_CLOCK_MS) return;
  throw new Error(
    `the database's clock is ${Math.abs(aheadS)} s ${aheadS > 0 ? 'ahead of' : 'behind'} this machine's: nothing is done by a clock that may be wrong`,
  );
}

async function begin(db: Database, task: RunTask, startedBy: string) {
  await db
    .updateTable('maintenance_runs')
    .set({ ended_at: sql`clock_timestamp()`, outcome: 'failed', error: VANISHED })
    .where('task', '=', task)
    .where('outcome', 'is', null)
    .execute();
  return db
    .insertInto('maintenance_runs')
    .values({ task, started_by: startedBy.slice(0, 255) })
    .returning(['id', 'started_at'])
    .executeTakeFirstOrThrow();
}

/**
 * Before version 17 only an owner may VACUUM. A login that may act as one without being one (`router roles`) does so
 * in this session.
 */
async function actAsOwner(client: pg.Client): Promise<void> {
  const { rows } = await client.query(`
    SELECT r.rolname AS owner FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
    WHERE c.oid = to_regclass('orders') AND current_setting('server_version_num')::int < 170000
      AND pg_has_role(c.relowner, 'MEMBER') AND NOT pg_has_role(c.relowner, 'USAGE')`);
  const owner: unknown = rows[0]?.owner;
  if (typeof owner === 'string') await client.query(`SET ROLE ${pg.escapeIdentifier(owner)}`);
}
