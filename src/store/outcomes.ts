// What came of an order at the venue's door: answers, and the end of what was never signed. One statement for a whole
// batch that names the state it expects and locks rows in id order (unsorted batches deadlock): no answer undoes
// what is proven.
import { sql } from 'kysely';
import type { Outcome } from '../core/answers.ts';
import type { Resolution } from '../core/proof.ts';
import type { Database } from './database.ts';
import { SET_ASIDE } from './recovery.ts';
import { rowsAs } from './rows.ts';
import { storableText } from './text.ts';

/** One answer of the venue, judged. */
export type AttemptOutcome = {
  readonly id: string;
  readonly attempt: number;
  readonly outcome: Outcome;
  readonly codespace: string | null;
  readonly code: number | null;
  readonly log: string;
  readonly answeredAt: Date;
  /** the next thing to do, or null when only proof is awaited */
  readonly wakeAt: Date | null;
  /** present when this answer may end the order at once */
  readonly rejection: Resolution | undefined;
};

/** A stronger answer is never replaced by a weaker one, in whatever order they come. */
const STRENGTH = sql.raw("ARRAY['doubt', 'deferred', 'refused', 'known', 'accepted']");
const MAX_LOG_CHARS = 1000;

/**
 * Stores answers. OPEN and REJECTED are only reached from PENDING, and REJECTED only while retry_count is 0: that
 * is the first and only transmission, whatever other workers did meanwhile. Only the answer to the newest attempt
 * says what to do next. "Already exists in cache" says that a node has seen the bytes, not that it took them.
 */
export async function recordOutcomes(
  db: Database,
  outcomes: readonly AttemptOutcome[],
): Promise<undefined[]> {
  const rows = rowsAs(
    'd',
    {
      id: 'uuid',
      attempt: 'int2',
      outcome: 'text',
      codespace: 'text',
      code: 'int8',
      log: 'text',
      answered_at: 'timestamptz',
      next_wake_at: 'timestamptz',
      rejection: 'jsonb',
    },
    outcomes.map(outcomeRow),
  );
  const ids = outcomes.map(({ id }) => id);
  await sql`/* prepared: record_outcomes */
    WITH d AS MATERIALIZED (
      SELECT DISTINCT ON (id, attempt) *, array_position(${STRENGTH}, outcome) AS strength,
        outcome = 'accepted' OR (outcome = 'known' AND codespace IS DISTINCT FROM 'rpc') AS is_taken
      FROM ${rows} ORDER BY id, attempt, array_position(${STRENGTH}, outcome) DESC
    ),
    l AS MATERIALIZED (
      SELECT o.id, o.status FROM orders o WHERE o.id = ANY(${ids}::uuid[]) ORDER BY o.id FOR NO KEY UPDATE
    ),
    a AS (
      UPDATE order_attempts x SET outcome = d.outcome, codespace = d.codespace, code = d.code,
        log = nullif(d.log, ''), answered_at = d.answered_at
      FROM d JOIN l ON l.id = d.id
      WHERE x.order_id = d.id AND x.attempt = d.attempt AND x.order_id = ANY(${ids}::uuid[])
        -- The attempts of a final order are evidence: a late answer does not rewrite them.
        AND l.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')
        AND d.strength >= coalesce(array_position(${STRENGTH}, x.outcome), 0)
      RETURNING x.order_id, x.attempt
    ),
    n AS MATERIALIZED (
      SELECT DISTINCT ON (d.id) d.*, t.is_any_taken, a.order_id IS NOT NULL AS is_stored
      FROM d
      JOIN (SELECT id, bool_or(is_taken) AS is_any_taken FROM d GROUP BY id) t ON t.id = d.id
      LEFT JOIN a ON a.order_id = d.id AND a.attempt = d.attempt
      ORDER BY d.id, d.attempt DESC
    ),
    j AS MATERIALIZED (
      SELECT n.*, n.is_stored AND n.rejection IS NOT NULL AND NOT n.is_any_taken AS is_refused FROM n
    )
    UPDATE orders o SET
      status = CASE
        WHEN o.status = 'PENDING' AND j.is_any_taken THEN 'OPEN'
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN 'REJECTED'
        ELSE o.status
      END,
      status_reason = CASE
        WHEN o.status = 'PENDING' AND j.is_any_taken
          THEN CASE j.outcome WHEN 'accepted' THEN 'accepted by a node' ELSE 'known to a node' END
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN concat_ws('/', j.codespace, j.code)
        ELSE o.status_reason
      END,
      resolution = CASE
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN j.rejection
        ELSE o.resolution
      END,
      placed_at = CASE WHEN j.is_any_taken THEN coalesce(o.placed_at, j.answered_at) ELSE o.placed_at END,
      error_message = CASE
        WHEN j.is_any_taken OR NOT j.is_stored THEN o.error_message
        ELSE concat_ws(' ', j.codespace || '/' || j.code, nullif(j.log, ''))
      END,
      next_wake_at = CASE
        WHEN o.status IN ('FILLED', 'CANCELLED', 'REJECTED', 'EXPIRED') THEN NULL
        WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN NULL
        -- A cancel has said when: an answer to what left before it does not put it off.
        WHEN o.cancel_requested_at IS NOT NULL THEN o.next_wake_at
        WHEN j.attempt = o.attempt_count AND j.is_stored THEN j.next_wake_at
        ELSE o.next_wake_at
      END
    FROM j WHERE o.id = j.id AND o.id = ANY(${ids}::uuid[])`.execute(db);
  return outcomes.map(() => undefined);
}

/** What a node writes is anything: NUL bytes, half characters, megabytes. */
function outcomeRow(item: AttemptOutcome) {
  const log = storableText(item.log, MAX_LOG_CHARS);
  const codespace = item.codespace === null ? null : storableText(item.codespace, 100);
  const { rejection } = item;
  return {
    id: item.id,
    attempt: item.attempt,
    outcome: item.outcome,
    codespace,
    code: item.code,
    log,
    answered_at: item.answeredAt,
    next_wake_at: item.wakeAt,
    rejection: rejection?.rule === 'refused' ? { ...rejection, codespace: codespace ?? '', log } : rejection,
  };
}

export type NeverSent = {
  readonly id: string;
  readonly status: 'EXPIRED' | 'REJECTED' | 'CANCELLED';
  readonly reason: string;
  readonly resolution: Extract<Resolution, { rule: 'never_sent' }>;
};

/** What a recovery set aside may have been sent by what is forgotten: its end must not say more than is known. */
const AS_FAR_AS_KNOWN = ', as far as is known after a recovery';

/** Ends orders of which nothing was ever signed. @returns the ids that it ended */
export async function endNeverSent(db: Database, orders: readonly NeverSent[]): Promise<Set<string>> {
  const columns = { id: 'uuid', status: 'order_status', reason: 'text', resolution: 'jsonb' } as const;
  const ids = orders.map(({ id }) => id);
  const result = await sql<{ id: string }>`
    WITH d AS MATERIALIZED (SELECT * FROM ${rowsAs('d', columns, orders)}),
    l AS MATERIALIZED (SELECT id, CASE WHEN error_message LIKE ${`${SET_ASIDE}%`} THEN ${AS_FAR_AS_KNOWN}::text ELSE '' END AS so_far
      FROM orders WHERE id = ANY(${ids}::uuid[]) ORDER BY id FOR NO KEY UPDATE)
    UPDATE orders o SET status = d.status, status_reason = left('never sent' || l.so_far || ': ' || d.reason, 255),
      error_message = CASE WHEN l.so_far = '' THEN d.reason ELSE o.error_message END, next_wake_at = NULL,
      resolution = jsonb_set(d.resolution, '{cause}', to_jsonb(d.resolution ->> 'cause' || l.so_far)),
      cancelled_at = CASE WHEN d.status = 'CANCELLED' THEN clock_timestamp() END
    FROM l JOIN d ON d.id = l.id
    WHERE o.id = l.id AND o.id = ANY(${ids}::uuid[]) AND o.status = 'PENDING' AND o.attempt_count = 0
    RETURNING o.id`.execute(db);
  return new Set(result.rows.map((row) => row.id));
}
