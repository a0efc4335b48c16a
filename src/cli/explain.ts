// What became of an order, in plain sentences: what happened and when, what its status rests on, and what would have to be
// true for it to be wrong. Pure: it says nothing that is not in the story.
import { averageFillPrice } from '../core/average-fill-price.ts';
import { isFinal } from '../core/status.ts';
import type { ToldOrder } from '../store/order-story.ts';
import { explainEnd } from './explain-end.ts';
import { explainWait } from './explain-wait.ts';
import { short } from './output.ts';
import { blocks, counted, moment, refusal } from './words.ts';

/** @param why why what is stored does not prove the order as it is; undefined when nothing contradicts it */
export function explain(story: ToldOrder, why: string | undefined): string[] {
  const rest = isFinal(story.order.status) ? explainEnd(story, why) : explainWait(story, why);
  return [asked(story), signed(story), ...included(story), ...cancelled(story), filled(story), ...rest];
}

function asked({ order }: ToldOrder): string {
  const price = order.price === null ? 'at market' : `at ${short(order.price)}`;
  const trigger = order.trigger_price === null ? '' : `, triggered at ${short(order.trigger_price)}`;
  const what = `${order.side} ${short(order.size)} ${order.market} ${price}${trigger}`;
  return `${what} was asked for at ${moment(order.enqueued_at)} and recorded at ${moment(order.created_at)}.`;
}

function signed({ order, attempts }: ToldOrder): string {
  const [first, last] = [attempts[0], attempts.at(-1)];
  if (first === undefined || last === undefined)
    return isFinal(order.status) ? 'Nothing was ever signed for it.' : 'Nothing is signed for it yet.';
  const life =
    order.good_til_block === null
      ? `until ${moment(order.good_til_time)}, with ${noncesOf(attempts)}`
      : `for blocks up to ${order.good_til_block}`;
  const times = attempts.length === 1 ? 'once, at' : `${attempts.length} times, first at`;
  const sent = attempts.reduce((sum, { transmissions }) => sum + transmissions, 0);
  return `Signed ${times} ${moment(first.created_at)} after block ${first.signed_height}, ${life}; sent ${counted(sent, 'time')}; ${answerOf(last)}.`;
}

function noncesOf(attempts: ToldOrder['attempts']): string {
  const nonces = new Set(attempts.map(({ nonce }) => nonce));
  return nonces.size === 1 ? `nonce ${[...nonces].join()}` : `${nonces.size} nonces one after the other`;
}

type Answered = Pick<ToldOrder['attempts'][number], 'outcome' | 'codespace' | 'code' | 'log' | 'answered_at'>;

function answerOf({ outcome, codespace, code, log, answered_at }: Answered): string {
  const words =
    codespace === null || code === null ? '' : `: ${refusal({ codespace, code, log: log ?? '' })}`;
  switch (outcome) {
    case null:
      return 'no answer to the last one is recorded';
    case 'accepted':
      return `a node accepted the last one at ${moment(answered_at)}`;
    case 'known':
      return `a node knew the last one already at ${moment(answered_at)}${words}`;
    case 'refused':
      return `a node refused the last one at ${moment(answered_at)}${words}`;
    case 'deferred':
      return `a node put the last one off at ${moment(answered_at)}${words}`;
    default:
      return `no answer to the last one says what became of it (${outcome}${words})`;
  }
}

function included({ attempts }: ToldOrder): string[] {
  return attempts.flatMap((row) => {
    if (row.included_height === null) return [];
    const result = row.included_code === '0' ? 'carried out' : `refused with code ${row.included_code}`;
    return [`Attempt ${row.attempt} is on chain, ${result} in block ${row.included_height}.`];
  });
}

function cancelled({ order, cancels }: ToldOrder): string[] {
  const { cancel_requested_at } = order;
  if (cancel_requested_at === null) return [];
  const last = cancels.at(-1);
  const sent =
    last === undefined
      ? 'nothing was signed for it'
      : `signed ${counted(cancels.length, 'time')}; ${answerOf(last)}`;
  return [`A cancel was requested at ${moment(cancel_requested_at)}; ${sent}.`];
}

function filled({ order, fills }: ToldOrder): string {
  if (fills.length === 0) return 'It has no fill.';
  const where = blocks(fills.map(({ height }) => Number(height)));
  const share = `${short(order.filled_size)} of ${short(order.size)}`;
  const price = averageFillPrice(fills);
  const at = fills.length === 1 ? `at ${price}` : `at ${price} on average`;
  return `It has ${counted(fills.length, 'fill')} in ${where}: ${share}, ${at}.`;
}
