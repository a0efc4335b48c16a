// `router show`: everything that is known of one order, its proof first.
import { whyHistoryUnlike, whyUnprovenOrder } from '../app/audit.ts';
import { isFinal } from '../core/status.ts';
import type { OrderStory, ToldOrder } from '../store/order-story.ts';
import { short, table, time } from './output.ts';

/** Undefined while the order is not final and its history leads to it. */
function proofOf(story: OrderStory): { proven: boolean; why?: string } | undefined {
  const isEnded = isFinal(story.order.status);
  const why = (isEnded ? whyUnprovenOrder(story) : undefined) ?? whyHistoryUnlike(story);
  if (why === undefined && !isEnded) return undefined;
  return why === undefined ? { proven: true } : { proven: false, why };
}

export function storyAsJson(story: ToldOrder): object {
  return {
    order: story.order,
    attempts: story.attempts.map((attempt) => ({
      ...attempt,
      tx_bytes: attempt.tx_bytes.toString('base64'),
    })),
    cancels: story.cancels,
    fills: story.fills,
    history: story.history,
    proof: proofOf(story) ?? null,
  };
}

export function storyAsText(story: ToldOrder): string {
  const { order, attempts, cancels, fills, history } = story;
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
  if (order.error_message !== null)
    parts.push(`error    ${order.error_message} (retries: ${order.retry_count})`);
  parts.push('', 'history');
  parts.push(
    table([
      ['time', 'from', 'to', 'filled', 'fill price', 'block', 'reason'],
      ...history.map((row) => [
        time(row.created_at),
        row.old_status ?? '-',
        row.new_status,
        short(row.filled_size),
        short(row.fill_price),
        row.block_height ?? '-',
        row.reason ?? '-',
      ]),
    ]),
  );
  if (attempts.length > 0) {
    parts.push('', 'attempts');
    parts.push(
      table([
        [
          '#',
          'signed',
          order.nonce === null ? 'good-til-block' : 'nonce',
          'sent',
          'answer',
          'on chain',
          'tx hash',
        ],
        ...attempts.map((row) => [
          String(row.attempt),
          time(row.created_at),
          String(row.good_til_block ?? row.nonce),
          `${row.transmissions}×`,
          answerOf(row),
          whereabouts(row),
          row.tx_hash,
        ]),
      ]),
    );
  }
  if (cancels.length > 0) {
    parts.push('', 'cancels');
    parts.push(
      table([
        ['signed', 'good-til-block or nonce', 'orders', 'answer', 'tx hash'],
        ...cancels.map((row) => [
          time(row.created_at),
          String(row.good_til_block ?? row.nonce),
          String(row.orders),
          answerOf(row),
          row.tx_hash,
        ]),
      ]),
    );
  }
  if (fills.length > 0) {
    parts.push('', 'fills');
    parts.push(
      table([
        ['block', 'size', 'price', 'fee', 'liquidity', 'fill id'],
        ...fills.map((row) => [
          row.height,
          short(row.size),
          short(row.price),
          short(row.fee),
          row.liquidity,
          row.id,
        ]),
      ]),
    );
  }
  return parts.join('\n');
}

function answerOf(row: { outcome: string | null; codespace: string | null; code: string | null }): string {
  return `${row.outcome ?? 'none'}${Number(row.code) > 0 ? ` ${row.codespace}/${row.code}` : ''}`;
}

/** Short-term transactions are never on chain. */
function whereabouts({
  nonce,
  included_height,
  included_code,
  absent_height,
}: OrderStory['attempts'][number]): string {
  if (nonce === null) return '-';
  if (included_height !== null) return `block ${included_height}, code ${included_code}`;
  return absent_height === null ? 'not known' : `absent up to block ${absent_height}`;
}
