// Open orders by the store's own functions, as if a submitter had signed and sent them: recorded with a signature,
// accepted by a node. They need not exist at the exchange: what ends a short-term order without fills is the height.
import { v7 as uuidv7 } from 'uuid';
import { acceptIntent } from '../../app/accept.ts';
import { signAttempt } from '../../app/first-attempt.ts';
import { sha256 } from '../../chain/ecdsa.ts';
import { type Intent, intentHash } from '../../core/intent.ts';
import type { Market } from '../../core/market.ts';
import { type Plan, venueOrder } from '../../core/plan.ts';
import type { Signer } from '../../core/ports.ts';
import { marketOfTicker } from '../../paper/markets.ts';
import { ensureCursor } from '../../store/cursors.ts';
import type { Database } from '../../store/database.ts';
import { recordOutcomes } from '../../store/outcomes.ts';
import { type NewOrder, recordOrders } from '../../store/recording.ts';
import { PAPER_CHAIN_ID } from '../../venue/networks.ts';
import { createSigner } from '../../venue/signer.ts';

/** The longest life of a short-term order, in blocks. */
export const LIFE_BLOCKS = 40;
/** More rows a statement make none of it faster. */
const PER_STATEMENT = 500;

export type OpenOrdersOptions = {
  readonly orders: number;
  /** over which they go in turn */
  readonly subaccounts: number;
  /** newest block when they are signed: they end LIFE_BLOCKS later, all of them */
  readonly height: number;
};

export function openOwner(): Promise<Signer> {
  const privateKey = sha256(Buffer.from('dydx-order-router bench of the reconciler'));
  return createSigner({ privateKey, chainId: PAPER_CHAIN_ID, accountNumber: 0 });
}

/** Throws when one of them is not recorded. */
export async function addOpenOrders(
  db: Database,
  { orders, subaccounts, height }: OpenOrdersOptions,
  onProgress: (orders: number) => void,
): Promise<void> {
  const signer = await openOwner();
  for (let number = 0; number < subaccounts; number++) {
    await ensureCursor(db, { owner: signer.owner, subaccountNumber: number }, height);
  }
  for (let from = 0; from < orders; from += PER_STATEMENT) {
    const indexes = Array.from(
      { length: Math.min(PER_STATEMENT, orders - from) },
      (_, index) => from + index,
    );
    const batch = await Promise.all(indexes.map((index) => openOrder(signer, index, subaccounts, height)));
    const recorded = await recordOrders(db, batch);
    const failed = recorded.find((how) => how !== 'recorded');
    if (failed !== undefined) throw new Error(`an order of the bench was not recorded: ${failed}`);
    await recordOutcomes(db, batch.map(acceptedBy));
    onProgress(from + batch.length);
  }
}

async function openOrder(
  signer: Signer,
  index: number,
  subaccounts: number,
  height: number,
): Promise<NewOrder> {
  const now = new Date();
  const { intent, plan } = accept(index, index % subaccounts, now);
  const order = venueOrder(plan, signer.owner, intent.subaccount_number, index, height);
  return {
    id: uuidv7(),
    intent,
    intentHash: intentHash(intent),
    enqueuedAt: now,
    submitBy: undefined,
    wakeAt: now,
    attempt: await signAttempt(signer, order, height),
  };
}

function accept(index: number, subaccountNumber: number, now: Date): { intent: Intent; plan: Plan } {
  const raw = {
    client_id: `open-${index}`,
    market: 'BTC-USD',
    side: 'BUY',
    type: 'LIMIT',
    time_in_force: 'GTT',
    good_til_blocks: LIFE_BLOCKS,
    size: '0.0001',
    price: '30000',
    subaccount_number: subaccountNumber,
  };
  const accepted = acceptIntent(raw, now, {
    findMarket,
    accounts: undefined,
    planSettings: { marketSlippagePpm: 50_000, iocGoodTilBlocks: 20 },
  });
  if (!accepted.ok || accepted.plan === undefined)
    throw new Error('the router refuses an order of the bench');
  return { intent: accepted.intent, plan: accepted.plan };
}

function findMarket(ticker: string): Market | undefined {
  const market = marketOfTicker(ticker);
  return market && { ...market, oraclePrice: market.startPrice };
}

function acceptedBy({ id }: NewOrder) {
  return {
    id,
    attempt: 1,
    outcome: 'accepted' as const,
    codespace: null,
    code: 0,
    log: '',
    answeredAt: new Date(),
    wakeAt: null,
    rejection: undefined,
  };
}
