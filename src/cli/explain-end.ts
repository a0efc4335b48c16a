// The end of an order in words: what it rests on, and the only things that could make it wrong. Each line of the table of
// final statuses (docs, core/reconcile.ts) has its own.
import type { Death, Resolution } from '../core/proof.ts';
import type { ToldOrder } from '../store/order-story.ts';
import { counted, moment, refusal, statusSince } from './words.ts';

type Dead = Extract<Resolution, { readonly rule: 'dead' }>;

/** @param why the proof does not hold */
export function explainEnd(story: ToldOrder, why: string | undefined): string[] {
  const { order, history } = story;
  const end = `${order.status} since ${moment(statusSince(history))}`;
  const resolution = order.resolution as Resolution | null;
  if (why !== undefined || resolution === null) {
    const doubt = why ?? 'there is no evidence';
    return [
      `${end}, but what is stored does not prove it: ${doubt}.`,
      'Anything may be true of it: compare it with the venue before you rely on it.',
    ];
  }
  return [...late(order, resolution), ...proven(story, resolution, end)];
}

/** What would have had to be true was true once: the indexer had left out a fill. */
function late({ late_fill_at, status }: ToldOrder['order'], resolution: Resolution): string[] {
  if (late_fill_at === null) return [];
  const at = moment(late_fill_at);
  return resolution.rule === 'dead'
    ? [
        `A fill came after the end, at ${at}: the indexer, asked at block ${resolution.height}, had left it out; the status stays ${status}, and the fill was alarmed.`,
      ]
    : [
        `It had ended otherwise before: a fill that came after that end, at ${at}, was alarmed and made up its size.`,
      ];
}

function proven(story: ToldOrder, resolution: Resolution, end: string): string[] {
  switch (resolution.rule) {
    case 'filled':
      return [
        `${end}: its fills add up to its size, the last one in block ${resolution.height}.`,
        `Wrong only if the indexer listed a fill that the chain does not have, among the ${resolution.fills} on record.`,
      ];
    case 'never_sent':
      return [
        `${end}, never sent: ${resolution.cause}.`,
        'Wrong only if something was signed for it elsewhere: what is signed here is recorded before it leaves, and nothing is on record.',
      ];
    case 'refused':
      return [
        `${end}: its only transmission was answered with ${refusal(resolution)}, which no earlier delivery of it can have caused.`,
        'Wrong only if the node that refused it has passed it on all the same, or its bytes were sent more often than the 1 time on record.',
      ];
    case 'dead':
      return [
        `${end}: ${whatEnded(story, resolution)}, and the indexer had shown every fill up to block ${resolution.height}.`,
        ...named(story.order, resolution),
        `Wrong only if ${whatIsWrong(story, resolution)}.`,
      ];
  }
}

function whatEnded({ order, attempts }: ToldOrder, { good_til_block, death }: Dead): string {
  if (death === undefined) return `nothing that was signed for it can fill after block ${good_til_block}`;
  switch (death.cause) {
    case 'expired':
      return `its good_til_time, ${moment(order.good_til_time)}, is past by the time of a block, and the chain's state of block ${death.height} was without it`;
    case 'removed':
      return `the chain had it from block ${order.included_height} on, and its state of block ${death.height} was without it`;
    case 'failed':
      return `its transaction ${death.tx_hash} was refused on chain in block ${death.height}: ${refusal(death)}`;
    case 'never_included':
      return `${ofAll(attempts.length)} on chain up to block ${death.height}, when the windows of their nonces were past`;
  }
}

function ofAll(attempts: number): string {
  return attempts === 1 ? 'its 1 attempt is not' : `none of its ${attempts} attempts is`;
}

/** Why a dead order is called what it is called. */
function named(order: ToldOrder['order'], { codespace, code, log, death }: Dead): string[] {
  if (order.cancel_requested_at !== null)
    return ['It is called CANCELLED because a cancel was requested before its end was shown.'];
  if (death?.cause === 'failed') return [];
  if (codespace !== undefined && code !== undefined) {
    const words = refusal({ codespace, code, log: log ?? '' });
    return [`It is called REJECTED because no node ever took it, and one refused it with ${words}.`];
  }
  if (death?.cause === 'expired' || death?.cause === 'never_included') return [];
  if (order.time_in_force === 'IOC')
    return [
      'It is called CANCELLED because it was IOC: what does not match at once is not left on the book.',
    ];
  if (death?.cause === 'removed')
    return [
      'It is called CANCELLED because the venue removed it before its time, and no cancel was requested.',
    ];
  return ['It is called EXPIRED because its time ran out, and no cancel was requested.'];
}

function whatIsWrong({ attempts }: ToldOrder, { height, good_til_block, death }: Dead): string {
  const onRecord = `the ${counted(attempts.length, 'attempt')} on record`;
  const asked = `the indexer, asked at block ${height}, left out a fill of a block up to`;
  if (death === undefined)
    return `${asked} ${good_til_block}, or more bytes were signed with a later good-til-block than ${onRecord}`;
  return `${misled(death, attempts.length)}, ${asked} ${death.height}, or other bytes were signed for it than ${onRecord}`;
}

/** What a node would have to have told wrongly. */
function misled({ cause, height }: Death, attempts: number): string {
  switch (cause) {
    case 'expired':
    case 'removed':
      return `a node showed a state of block ${height} that is not the chain's`;
    case 'failed':
      return `a node told of block ${height} another result than the chain's`;
    case 'never_included': {
      const what = attempts === 1 ? 'the 1 transaction' : `one of the ${attempts} transactions`;
      return `a node's list of transactions up to block ${height} left out ${what}, the chain took a nonce after its window of 30 s`;
    }
  }
}
