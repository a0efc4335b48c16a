// The life of an order in three writes, through the statements that submitter and reconciler use: recorded with its
// first attempt, taken by a node, filled whole.
import { createHash } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';
import { type Intent, intentHash, parseIntent } from '../src/core/intent.ts';
import { orderUuid, uuidV5 } from '../src/core/order-uuid.ts';
import type { Fill } from '../src/core/ports.ts';
import { MARKET_URN } from '../src/kit/bench/seed-shares.ts';
import type { NewAttempt } from '../src/store/attempts.ts';
import type { Cursor } from '../src/store/cursors.ts';
import type { Database } from '../src/store/database.ts';
import { recordOutcomes } from '../src/store/outcomes.ts';
import { bookReport } from '../src/store/reconciling.ts';
import { type NewOrder, recordOrders } from '../src/store/recording.ts';
import { pick, type Random } from './measure.ts';

const OWNER = 'dydx1benchbenchbenchbenchbenchbenchbenchbench';
const HEIGHT = 40_000_000;
/** About as long as a signed short-term order. */
const TX_BYTES = 300;

export type BatchOrder = NewOrder & { readonly attempt: NewAttempt };

/** @param first the venue's client id of the first one; each id may be used once */
export function newBatch(random: Random, first: number, size: number): BatchOrder[] {
  return Array.from({ length: size }, (_, index) => newOrder(random, first + index));
}

function newOrder(random: Random, clientId: number): BatchOrder {
  const { name: market, pair: clobPairId } = pick(random, MARKET_URN);
  const intent = intentOf(`bench-${clientId}`, market);
  const id = { owner: OWNER, subaccountNumber: 0, clientId, clobPairId, orderFlags: 0 };
  const bytes = Buffer.from(Array.from({ length: TX_BYTES }, () => Math.floor(random() * 256)));
  return {
    id: uuidV7(),
    intent,
    intentHash: intentHash(intent),
    enqueuedAt: new Date(),
    submitBy: new Date(Date.now() + 300_000),
    wakeAt: new Date(Date.now() + 6_000),
    attempt: {
      orderUuid: orderUuid(id),
      nonce: undefined,
      signedHeight: HEIGHT,
      order: {
        id,
        side: intent.side,
        quantums: 1_000_000n,
        subticks: 6_000_000n,
        timeInForce: 'GTT',
        reduceOnly: false,
        goodTilBlock: HEIGHT + 20,
        clientMetadata: 0,
      },
      tx: { bytes, hash: createHash('sha256').update(bytes).digest('hex').toUpperCase() },
    },
  };
}

function intentOf(client_id: string, market: string): Intent {
  const parsed = parseIntent({
    client_id,
    market,
    side: 'BUY',
    type: 'LIMIT',
    size: '10',
    price: '60000',
    good_til_blocks: 20,
  });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.refusals));
  return parsed.intent;
}

export async function recordAll(db: Database, orders: readonly BatchOrder[]): Promise<void> {
  const recorded = await recordOrders(db, orders);
  if (recorded.some((each) => each !== 'recorded')) throw new Error('an order was there before');
}

/** PENDING → OPEN. */
export async function acceptAll(db: Database, orders: readonly BatchOrder[]): Promise<void> {
  const answeredAt = new Date();
  const answer = { attempt: 1, outcome: 'accepted', codespace: null, code: 0, log: '' } as const;
  await recordOutcomes(
    db,
    orders.map(({ id }) => ({ ...answer, id, answeredAt, wakeAt: null, rejection: undefined })),
  );
}

/** OPEN → FILLED, one fill each. @returns the cursor for the next */
export async function fillAll(db: Database, orders: readonly BatchOrder[], cursor: Cursor): Promise<Cursor> {
  const fills = orders.map(fillOf);
  const report = {
    cursor,
    fills,
    fillsRead: cursor.fillsRead + fills.length,
    lastFillId: fills.at(-1)?.id ?? cursor.lastFillId,
    height: undefined,
  };
  const booked = await bookReport(db, report, 0);
  if (booked?.bookings.length !== orders.length) throw new Error('not every fill was booked');
  return booked.cursor;
}

function fillOf({ intent, attempt }: BatchOrder): Fill {
  return {
    id: uuidV5(`fill of ${attempt.orderUuid}`),
    orderUuid: attempt.orderUuid,
    market: intent.market,
    side: intent.side,
    size: intent.size,
    price: '60000',
    fee: '0.01',
    liquidity: 'MAKER',
    type: 'LIMIT',
    height: HEIGHT + 1,
    createdAt: new Date(),
  };
}

export const BATCH_SUBACCOUNT = { owner: OWNER, subaccountNumber: 0 } as const;
export const BATCH_START_HEIGHT = HEIGHT - 1;
