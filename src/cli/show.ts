// `router show`: everything that is known of one order, its proof and what it means in words first.
import { whyHistoryUnlike, whyUnprovenOrder } from '../app/audit.ts';
import { averageFillPrice } from '../core/average-fill-price.ts';
import { isFinal } from '../core/status.ts';
import type { OrderStory, ToldOrder } from '../store/order-story.ts';
import { explain } from './explain.ts';
import { short, table, time } from './output.ts';
import { tablesOf } from './story-tables.ts';

/** Undefined while the order is not final and its history leads to it. */
function proofOf(story: OrderStory): { proven: boolean; why?: string } | undefined {
  const isEnded = isFinal(story.order.status);
  const why = (isEnded ? whyUnprovenOrder(story) : undefined) ?? whyHistoryUnlike(story);
  if (why === undefined && !isEnded) return undefined;
  return why === undefined ? { proven: true } : { proven: false, why };
}

export function storyAsJson(story: ToldOrder): object {
  const proof = proofOf(story);
  return {
    order: story.order,
    archived_at: story.archivedAt ?? null,
    attempts: story.attempts.map((attempt) => ({
      ...attempt,
      tx_bytes: attempt.tx_bytes.toString('base64'),
    })),
    cancels: story.cancels,
    fills: story.fills,
    history: story.history,
    average_fill_price: averageFillPrice(story.fills),
    proof: proof ?? null,
    explanation: explain(story, proof?.why),
  };
}

export function storyAsText(story: ToldOrder): string {
  const { order, fills } = story;
  const price = order.price === null ? 'at market' : `at ${short(order.price)}`;
  const proof = proofOf(story);
  const verdict =
    proof === undefined
      ? 'not final yet'
      : proof.proven
        ? `proven: ${JSON.stringify(order.resolution)}`
        : `UNPROVEN: ${proof.why}`;
  const parts = [
    `${order.client_id}  ${order.side} ${short(order.size)} ${order.market} ${order.type} ${order.time_in_force} ${price}`,
    `status   ${order.status}${order.status_reason === null ? '' : ` (${order.status_reason})`}, filled ${short(order.filled_size)} of ${short(order.size)}`,
    `proof    ${verdict}`,
    `ids      row ${order.id}, venue order ${order.order_id ?? '-'}, dydx client id ${order.dydx_client_id ?? '-'}`,
  ];
  if (story.archivedAt !== undefined) parts.push(`archived ${time(story.archivedAt)}`);
  if (order.error_message !== null)
    parts.push(`error    ${order.error_message} (retries: ${order.retry_count})`);
  if (fills.length > 0) parts.push(`fills    ${fills.length}, average_fill_price ${averageFillPrice(fills)}`);
  parts.push('', 'in words', ...explain(story, proof?.why));
  for (const [title, rows] of tablesOf(story)) if (rows.length > 1) parts.push('', title, table(rows));
  return parts.join('\n');
}
