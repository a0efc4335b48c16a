// The end of `router up`: counts, one order's story, latency, and whether everything is proven and true.
import { audit } from '../app/audit.ts';
import type { VenueTruth } from '../core/compare.ts';
import type { OrderStatus } from '../core/status.ts';
import { truthSchema } from '../paper/truth.ts';
import type { Database } from '../store/database.ts';
import { countByStatus, totals } from '../store/order-counts.ts';
import { everyEvidence, findOrder } from '../store/order-story.ts';
import type { OrderKey } from '../store/standings.ts';
import { table } from './output.ts';
import { storyAsText } from './show.ts';

/** The object that --json prints; orders, by_status, fills and history_rows are those of the whole database. */
export type Summary = {
  /** lines of this run */
  readonly intents: number;
  readonly orders: number;
  readonly by_status: Record<OrderStatus, number>;
  /** lines of this run that were refused before anything was recorded */
  readonly refused: number;
  readonly fills: number;
  readonly history_rows: number;
  /** final orders whose stored evidence does not prove their status */
  readonly unproven: number;
  /** orders that differ from the exchange's own truth, fills included; null where none can be asked */
  readonly mismatched: number | null;
  /** enqueue → signed bytes handed to the network */
  readonly p50_ms: number | null;
  readonly p99_ms: number | null;
  readonly elapsed_s: number;
};

export async function summarize(
  db: Database,
  run: { readonly intents: number; readonly refused: number; readonly startedMs: number },
  truthUrl: string | undefined,
  onFinding: (finding: string) => void,
): Promise<Summary> {
  const truth = truthUrl === undefined ? undefined : await fetchTruth(truthUrl);
  const findings = await audit(everyEvidence(db), truth);
  for (const { order, why } of findings.unproven) onFinding(`unproven    ${order}: ${why}`);
  for (const { order, what } of findings.mismatched) onFinding(`mismatched  ${order}: ${what}`);
  const by_status = await countByStatus(db);
  const { fills, history_rows, p50_ms, p99_ms } = await totals(db);
  return {
    intents: run.intents,
    orders: Object.values(by_status).reduce((sum, count) => sum + count, 0),
    by_status,
    refused: run.refused,
    fills,
    history_rows,
    unproven: findings.unproven.length,
    mismatched: truth === undefined ? null : findings.mismatched.length,
    p50_ms: round(p50_ms),
    p99_ms: round(p99_ms),
    elapsed_s: Math.round((Date.now() - run.startedMs) / 100) / 10,
  };
}

async function fetchTruth(url: string): Promise<VenueTruth> {
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
  if (!response.ok) throw new Error(`the paper exchange's truth is not to be had: HTTP ${response.status}`);
  return truthSchema.parse(await response.json());
}

function round(ms: number | null): number | null {
  return ms === null ? null : Math.round(ms * 10) / 10;
}

export function summaryAsText(summary: Summary): string {
  const { by_status } = summary;
  return [
    '',
    table([
      ['intents', String(summary.intents)],
      ['refused', String(summary.refused)],
      ['orders', String(summary.orders)],
      ...Object.entries(by_status)
        .filter(([, count]) => count > 0)
        .map(([status, count]) => [`  ${status}`, String(count)]),
      ['fills', String(summary.fills)],
      ['history rows', String(summary.history_rows)],
      ['enqueue → send', `p50 ${summary.p50_ms ?? '-'} ms, p99 ${summary.p99_ms ?? '-'} ms`],
      ['unproven', String(summary.unproven)],
      ['mismatched', summary.mismatched === null ? 'not compared' : String(summary.mismatched)],
      ['elapsed', `${summary.elapsed_s} s`],
    ]),
    '',
    verdict(summary),
  ].join('\n');
}

function verdict({ unproven, mismatched }: Summary): string {
  if (unproven > 0 || (mismatched ?? 0) > 0) return 'NOT CLEAN: see the findings above.';
  const proven = 'Every final status is proven by what is stored';
  return mismatched === null ? `${proven}.` : `${proven}, and every order and fill agrees with the exchange.`;
}

/** The most eventful of these orders, whole. */
export async function exampleStory(db: Database, keys: readonly OrderKey[]): Promise<string | undefined> {
  let best: { readonly text: string; readonly events: number } | undefined;
  for (const { tenant_id, client_id } of keys.slice(0, 50)) {
    const story = await findOrder(db, tenant_id, client_id);
    const events = (story?.history.length ?? 0) + (story?.fills.length ?? 0);
    if (story && events <= 12 && events > (best?.events ?? 0)) best = { text: storyAsText(story), events };
  }
  return best?.text;
}
