// The indexer's ids, computed before anything is sent, so that a fill can be matched to its order.
// Source: v4-chain indexer/packages/postgres/src/helpers/uuid.ts and stores/{subaccount,order,fill}-table.ts.
import { hash } from 'node:crypto';

const NAMESPACE = Buffer.from('0f9da948a6fb4c459edc4685c3f3317d', 'hex');

/** RFC 9562 version 5 (sha1, name-based) in dYdX's namespace. */
export function uuidV5(name: string): string {
  const named = Buffer.concat([NAMESPACE, Buffer.from(name, 'utf8')]);
  const hex = hash('sha1', named, 'hex');
  // The version in place of the 13th digit, the variant in the upper half of the 17th.
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export function subaccountUuid(owner: string, subaccountNumber: number): string {
  return uuidV5(`${owner}-${subaccountNumber}`);
}

/** The order flags that we sign. 32 and 64 are stateful: kept in the chain's state until a time. */
export const SHORT_TERM = 0;
export const CONDITIONAL = 32;
export const LONG_TERM = 64;

/** What identifies an order at the venue, for ever. */
export type OrderId = {
  readonly owner: string;
  readonly subaccountNumber: number;
  /** uint32 */
  readonly clientId: number;
  readonly clobPairId: number;
  /** 0 short-term, 32 conditional, 64 long-term */
  readonly orderFlags: number;
};

export function orderUuid(id: OrderId): string {
  const subaccount = subaccountUuid(id.owner, id.subaccountNumber);
  return uuidV5(`${subaccount}-${id.clientId}-${id.clobPairId}-${id.orderFlags}`);
}

/** eventId: 12 bytes, u32BE height ‖ u32BE txIndex+2 ‖ u32BE eventIndex. */
export function fillUuid(eventId: Uint8Array, liquidity: 'TAKER' | 'MAKER'): string {
  return uuidV5(`${Buffer.from(eventId).toString('hex')}-${liquidity}`);
}
