// An order that has not ended, in words: what its status says and does not say, what is awaited, and what happens next.
import { canEndAsRejected } from '../core/answers.ts';
import { NONCE_WINDOW_MS } from '../core/proof.ts';
import type { ToldOrder } from '../store/order-story.ts';
import { short } from './output.ts';
import { moment, statusSince } from './words.ts';

/** @param why its history does not lead to it */
export function explainWait(story: ToldOrder, why: string | undefined): string[] {
  const { order, attempts } = story;
  const wait =
    attempts.length === 0
      ? waitUnsigned(story)
      : order.good_til_block === null
        ? waitStateful(story)
        : waitShortTerm(story, order.good_til_block);
  return [
    standing(story),
    ...wait,
    ...(why === undefined ? [] : [`Its records contradict each other: ${why}.`]),
    'Nothing is claimed of its end yet.',
  ];
}

function standing({ order, history }: ToldOrder): string {
  const since = `${order.status} since ${moment(statusSince(history))}`;
  if (order.status === 'PARTIALLY_FILLED')
    return `${since}: wrong only if the indexer listed a fill that the chain does not have; ${short(order.remaining_size)} may still be filled.`;
  if (order.status !== 'OPEN') return `${since}: not known to be with the venue, and not known not to be.`;
  return order.included_height === null
    ? `${since}: a node took it, which does not prove that it is on the book.`
    : `${since}: the chain took it, which does not prove that it is still on the book.`;
}

function waitUnsigned({ order }: ToldOrder): string[] {
  const next = `at the latest after ${moment(order.next_wake_at)}`;
  if (order.cancel_requested_at !== null)
    return [`Awaited is only that its turn comes, ${next}: it ends as CANCELLED, never sent.`];
  if (order.next_wake_at === null)
    return [
      'A recovery of the database has set it aside: it may have been sent by what was forgotten, under an id that nobody knows.',
      'It is not sent any more; compare it with router unexplained, then router cancel it.',
    ];
  const limits = [order.submit_by, order.good_til_time].filter((limit) => limit !== null);
  const limit = limits.toSorted((a, b) => a.getTime() - b.getTime())[0];
  return [
    `Awaited is its first signature, ${next}.`,
    ...(limit === undefined ? [] : [`After ${moment(limit)} it is not sent any more: it ends as EXPIRED.`]),
  ];
}

function waitShortTerm({ order, attempts }: ToldOrder, goodTilBlock: number): string[] {
  const { cancel_requested_at, next_wake_at } = order;
  const outcome = attempts.at(-1)?.outcome ?? null;
  const at = moment(next_wake_at);
  const next =
    next_wake_at === null
      ? 'Nothing more is sent for it: only what the indexer shows can end it.'
      : cancel_requested_at !== null
        ? `Next, at ${at}, its cancel is sent or sent again, while block ${goodTilBlock} is not over.`
        : outcome === 'deferred'
          ? `Next, at ${at}, it is signed again for a later block, if the venue and ${limitOf(order)} allow it.`
          : `Next, at ${at}, the same bytes are sent again, unless more is known by then, or ${limitOf(order)} or block ${goodTilBlock} is over.`;
  return [
    `Awaited are fills of its whole size, or that the indexer has shown every fill up to block ${goodTilBlock}, with a few blocks of margin: then it is dead, and ends as ${endOf({ order, attempts })}.`,
    next,
  ];
}

function limitOf({ submit_by }: ToldOrder['order']): string {
  return submit_by === null ? 'its life' : `its submit_by, ${moment(submit_by)},`;
}

/** What it ends as with the fills that it has. */
function endOf({ order, attempts }: Pick<ToldOrder, 'order' | 'attempts'>): string {
  if (order.cancel_requested_at !== null) return 'CANCELLED';
  const wasTaken = attempts.some(({ outcome }) => outcome === 'accepted' || outcome === 'known');
  const refused = attempts.findLast(({ outcome }) => outcome === 'refused');
  const hasFill = order.status === 'PARTIALLY_FILLED';
  if (!wasTaken && !hasFill && canEndAsRejected(refused?.codespace ?? '', Number(refused?.code)))
    return 'REJECTED';
  return order.time_in_force === 'IOC' ? 'CANCELLED' : 'EXPIRED';
}

function waitStateful({ order }: ToldOrder): string[] {
  const { dead_height, included_height, nonce, dead_nonce, good_til_time, next_wake_at } = order;
  const ask = `Next, at ${moment(next_wake_at)}, the chain is asked for it again.`;
  if (dead_height !== null)
    return [
      `It was shown dead by block ${dead_height}: awaited is that the indexer has shown every fill up to there, with a few blocks of margin.`,
    ];
  const next = next_wake_at === null ? [] : [ask];
  if (included_height !== null)
    return [
      `It is in the chain's state since block ${included_height}: awaited are fills of its whole size, that it is removed, or its good_til_time, ${moment(good_til_time)}.`,
      ...next,
    ];
  if (dead_nonce !== null && dead_nonce === nonce)
    return [
      `Nothing that was signed with nonce ${nonce} was carried out, and its window is past: it is signed with another nonce if it may still leave, and ends otherwise.`,
      ...next,
    ];
  const window = moment(new Date(Number(nonce) + NONCE_WINDOW_MS));
  return [
    `Awaited is that it is found in a block, or that a block later than ${window}, the end of the window of nonce ${nonce}, shows that it is in none.`,
    ...next,
  ];
}
