// The end of a measured run: every order is final, and held against its own proof and against the exchange's books.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { audit } from '../../app/audit.ts';
import { truthSchema } from '../../paper/truth.ts';
import type { Database } from '../../store/database.ts';
import { everyEvidence } from '../../store/order-story.ts';

export type Books = {
  /** orders of the whole run, warm-up included, and how many of them ended wrong or not at all */
  readonly orders_checked: number;
  readonly wrong: number;
  readonly findings: readonly string[];
};

const SHOWN_FINDINGS = 10;

/** Until no order is active, or so long: what is active then is found by checkBooks. */
export async function untilSettled(
  db: Database,
  signal: AbortSignal,
  timeoutMs: number,
  lookMs = 200,
): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (performance.now() < deadlineMs) {
    signal.throwIfAborted();
    const { rows } = await sql<{ is_active: boolean }>`
      SELECT EXISTS (SELECT FROM orders WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')) AS is_active`.execute(
      db,
    );
    if (rows[0]?.is_active === false) return;
    await delay(lookMs, undefined, { signal });
  }
}

/** Order by order: proofs, histories, and the exchange's own books. What is not final is wrong. @param afterId ids above it */
export async function checkBooks(db: Database, exchangeUrl: string, afterId: string): Promise<Books> {
  const response = await fetch(`${exchangeUrl}/paper/truth`);
  const truth = truthSchema.parse(await response.json());
  const { unproven, mismatched } = await audit(everyEvidence(db, undefined, afterId), truth);
  const { rows } = await sql<{ orders: string; active: string; refused: string }>`
    SELECT count(*) AS orders, count(*) FILTER (WHERE status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')) AS active,
      (SELECT count(*) FROM intent_rejections) AS refused
    FROM orders WHERE id > ${afterId}`.execute(db);
  const [orders = 0, active = 0, refused = 0] = Object.values(rows[0] ?? {}).map(Number);
  const findings = [
    ...(active > 0 ? [`${active} orders are not final`] : []),
    ...(refused > 0 ? [`${refused} intents were refused: see intent_rejections`] : []),
    ...unproven.map(({ order, why }) => `unproven ${order}: ${why}`),
    ...mismatched.map(({ order, what }) => `mismatched ${order}: ${what}`),
  ];
  return {
    orders_checked: orders,
    wrong: unproven.length + mismatched.length + active + refused,
    findings: findings.slice(0, SHOWN_FINDINGS),
  };
}
