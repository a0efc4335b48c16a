// What the use cases tell about themselves while they work, one function an event. Nothing waits for it and nothing
// depends on it: src/ops/metrics.ts counts, noTelemetry does not.
import type { Outcome } from './answers.ts';
import type { IncidentKind } from './incidents.ts';
import type { OrderStatus } from './status.ts';

export const OFFER_RESULTS = ['recorded', 'duplicate', 'conflict', 'cancelled', 'refused'] as const;
/**
 * What became of one intent: a row, nothing new, a spent client_id with another body, a row that a cancel has ended before
 * it came, no intent at all.
 */
type OfferResult = (typeof OFFER_RESULTS)[number];

export const ATTEMPT_KINDS = ['first', 'resend', 'resign'] as const;
/** resend: the same bytes once more; resign: with a later good-til-block, another memo or another nonce */
export type AttemptKind = (typeof ATTEMPT_KINDS)[number];

export const INDEXER_RESULTS = ['ok', 'rate_limited', 'http_error', 'malformed', 'no_answer'] as const;
/** rate_limited: HTTP 429 */
export type IndexerResult = (typeof INDEXER_RESULTS)[number];

export const SUBMITTER_BATCHES = [
  'record',
  'outcome',
  'start_attempt',
  'start_resend',
  'end_never_sent',
] as const;
/** Which statement many orders share; report: fills and settlements of one page. */
export type Batch = (typeof SUBMITTER_BATCHES)[number] | 'report';

export type Telemetry = {
  readonly offered: (result: OfferResult) => void;
  /** The bytes leave now. @param offeredAt when the producer let go of it, by its clock */
  readonly sent: (kind: AttemptKind, offeredAt: Date) => void;
  /** @param roundTripMs undefined when no byte left */
  readonly answered: (outcome: Outcome, roundTripMs: number | undefined) => void;
  /** A cancel transaction, which may be for many orders. */
  readonly cancelAnswered: (outcome: Outcome) => void;
  /** An order has reached a final status. */
  readonly ended: (status: OrderStatus) => void;
  /** @param filledAt the venue's block time */
  readonly fillBooked: (filledAt: Date, isLate: boolean) => void;
  readonly fillUnexplained: () => void;
  readonly orderUnexplained: () => void;
  readonly incident: (kind: IncidentKind) => void;
  /** One pass over all subaccounts. */
  readonly reconciled: (ms: number) => void;
  /** One subaccount, or the whole pass, has to be repeated. */
  readonly reconcileFailed: () => void;
  /** One HTTP request: a call may need two. */
  readonly indexerAnswered: (result: IndexerResult) => void;
  /** @param ms from the statement to its commit, repeats after deadlocks included */
  readonly flushed: (batch: Batch, items: number, ms: number, isCommitted: boolean) => void;
  /** A job threw; the queue tries it again or keeps it as failed. */
  readonly jobFailed: (queue: string) => void;
};

const ignore = () => {};

export const noTelemetry: Telemetry = {
  offered: ignore,
  sent: ignore,
  answered: ignore,
  cancelAnswered: ignore,
  ended: ignore,
  fillBooked: ignore,
  fillUnexplained: ignore,
  orderUnexplained: ignore,
  incident: ignore,
  reconciled: ignore,
  reconcileFailed: ignore,
  indexerAnswered: ignore,
  flushed: ignore,
  jobFailed: ignore,
};
