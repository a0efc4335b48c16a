// Small valid values of the core's types, of which a test changes what it is about.
import { createHash } from 'node:crypto';
import { type Intent, parseIntent } from '../../src/core/intent.ts';
import type { Market } from '../../src/core/market.ts';
import { LONG_TERM, type OrderId, orderUuid } from '../../src/core/order-uuid.ts';
import type { Fill } from '../../src/core/ports.ts';
import type { Death, ProvenAttempt } from '../../src/core/proof.ts';
import type { OrderFacts } from '../../src/core/reconcile.ts';

export const BTC_USD: Market = {
  ticker: 'BTC-USD',
  clobPairId: 0,
  status: 'ACTIVE',
  atomicResolution: -10,
  quantumConversionExponent: -9,
  stepBaseQuantums: 1_000_000n,
  subticksPerTick: 100_000n,
  oraclePrice: '60000',
};

/** Ticks at 1e-10, sizes in steps of ten millions. */
export const PEPE_USD: Market = {
  ticker: 'PEPE-USD',
  clobPairId: 28,
  status: 'ACTIVE',
  atomicResolution: 1,
  quantumConversionExponent: -9,
  stepBaseQuantums: 1_000_000n,
  subticksPerTick: 1_000_000n,
  oraclePrice: '0.00001',
};

export type Json = Record<string, unknown>;

/** A resting short-term LIMIT order. */
export const restingInput: Json = {
  client_id: 'c-1',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'LIMIT',
  size: '0.25',
  price: '59000',
  good_til_blocks: 10,
};

export const marketInput: Json = {
  client_id: 'c-1',
  market: 'BTC-USD',
  side: 'BUY',
  type: 'MARKET',
  size: '0.25',
};

export function parsed(input: unknown): Intent {
  const result = parseIntent(input);
  if (!result.ok) throw new Error(JSON.stringify(result.refusals));
  return result.intent;
}

export function identityOf(clientId: number, orderFlags = 0): OrderId {
  return { owner: 'dydx1owner', subaccountNumber: 0, clientId, clobPairId: 0, orderFlags };
}

/** OPEN, signed at block 100 for good-til-block 110. */
export function orderFacts(changes: Partial<OrderFacts> = {}, clientId = 1): OrderFacts {
  return {
    id: `order-${clientId}`,
    orderUuid: orderUuid(identityOf(clientId)),
    market: 'BTC-USD',
    side: 'BUY',
    type: 'LIMIT',
    timeInForce: 'GTT',
    status: 'OPEN',
    size: '10',
    filledSize: '0',
    fillCount: 0,
    firstSignedHeight: 100,
    goodTilBlock: 110,
    death: undefined,
    isCancelRequested: false,
    refusal: undefined,
    ...changes,
  };
}

/** OPEN, signed at block 100, with nothing shown of its end. */
export function statefulFacts(changes: Partial<OrderFacts> = {}, clientId = 1): OrderFacts {
  const uuid = orderUuid(identityOf(clientId, LONG_TERM));
  return orderFacts({ orderUuid: uuid, goodTilBlock: undefined, ...changes }, clientId);
}

/** Shown in that block. */
export function deathOf(cause: Death['cause'], height: number): Death {
  switch (cause) {
    case 'removed':
      return { cause, height };
    case 'failed':
      return { cause, height, tx_hash: 'A'.repeat(64), codespace: 'clob', code: 3007, log: 'why' };
    case 'expired':
    case 'never_included':
      return { cause, height, block_time_ms: 1_772_600_000_000 };
  }
}

let fills = 0;

/** A fill of 1 in block 105 that is provably the order's. */
export function fillOf(order: OrderFacts, changes: Partial<Fill> = {}): Fill {
  fills += 1;
  return {
    id: `fill-${fills}`,
    orderUuid: order.orderUuid,
    market: order.market,
    side: order.side,
    size: '1',
    price: '60000',
    fee: '-0.01',
    liquidity: 'MAKER',
    type: 'LIMIT',
    height: 105,
    createdAt: new Date('2026-03-04T05:06:07Z'),
    ...changes,
  };
}

/** Of a short-term order, accepted in answer to its only transmission. */
export function attemptOf(changes: Partial<Omit<ProvenAttempt, 'txHash'>> = {}): ProvenAttempt {
  const txBytes = changes.txBytes ?? Uint8Array.of(1, 2, 3);
  return {
    goodTilBlock: 110,
    nonce: null,
    included: undefined,
    absent: undefined,
    signedHeight: 100,
    txBytes,
    txHash: createHash('sha256').update(txBytes).digest('hex').toUpperCase(),
    transmissions: 1,
    outcome: 'accepted',
    codespace: null,
    code: 0,
    ...changes,
  };
}

/** Of a stateful order, accepted in answer to its only transmission; nothing is known of it on chain. */
export function statefulAttempt(changes: Partial<Omit<ProvenAttempt, 'txHash'>> = {}): ProvenAttempt {
  return attemptOf({ goodTilBlock: null, nonce: 1_772_600_000_000, ...changes });
}
