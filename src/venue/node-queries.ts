// What a node is asked about the chain's state: accounts, stateful orders, limits, authenticators. An answer that cannot
// be read whole is an Error that names the host: half a limit or half an authenticator would be a wrong one.
import { dydx } from '../chain/dydx.ts';
import type { OrderId } from '../core/order-uuid.ts';
import type {
  Authenticator,
  BlockRateLimit,
  BlockRateLimits,
  EquityTier,
  StatefulLookup,
} from '../core/ports.ts';
import { abciQuery } from './abci-query.ts';
import { toOrderId } from './clob-messages.ts';
import type { JsonRpc } from './json-rpc.ts';
import { bytesField, type Message, readMessage, stringField } from './protobuf.ts';
import { readSerializableInt } from './serializable-int.ts';

const BASE_ACCOUNT = '/cosmos.auth.v1beta1.BaseAccount';
const NOTHING = new Uint8Array(0);

/** QueryAccountResponse{1: Any{1: type_url, 2: BaseAccount{1: address, 3: account_number}}} */
export async function askAccountNumber(rpc: JsonRpc, address: string): Promise<number> {
  const answer = await abciQuery(rpc, '/cosmos.auth.v1beta1.Query/Account', stringField(1, address));
  if (answer.kind === 'not_found') {
    throw new Error(`account ${address} has never been funded: send it USDC or the chain's token first`);
  }
  const any = readMessage(readMessage(answer.value)?.bytes(1) ?? NOTHING);
  const typeUrl = text(any?.bytes(1));
  if (typeUrl !== BASE_ACCOUNT) {
    const what = typeUrl === '' ? 'malformed' : `a ${typeUrl}`;
    throw new Error(`account ${address} is ${what}, not a ${BASE_ACCOUNT}`);
  }
  const account = readMessage(any?.bytes(2) ?? NOTHING);
  const owner = text(account?.bytes(1));
  // proto3 leaves out zero, and number 0 is a real account; the address proves that the rest was read right.
  const accountNumber = Number(account?.uint64(3) ?? 0n);
  if (owner !== address || !Number.isSafeInteger(accountNumber)) {
    throw new Error(`malformed account for ${address}: address ${owner}, number ${accountNumber}`);
  }
  return accountNumber;
}

/** QueryStatefulOrderResponse{1: LongTermOrderPlacement{1: Order}, 2: fill_amount} */
export async function askStatefulOrder(
  rpc: JsonRpc,
  id: OrderId,
  minHeight: number,
): Promise<StatefulLookup> {
  const path = '/dydxprotocol.clob.Query/StatefulOrder';
  const asked = bytesField(1, encodeOrderId(id));
  const answer = await abciQuery(rpc, path, asked);
  const { height } = answer;
  if (height < minHeight || height === 0) {
    throw new Error(`${rpc.host} answered for block ${height}, block ${minHeight} was asked for`);
  }
  if (answer.kind === 'not_found') return { kind: 'absent', height };
  const message = readMessage(answer.value);
  const order = readMessage(readMessage(message?.bytes(1) ?? NOTHING)?.bytes(1) ?? NOTHING);
  const theirs = order?.bytes(1);
  if (theirs === undefined || !isSameOrder(theirs, id)) throw malformed(rpc, path);
  return { kind: 'present', height };
}

function encodeOrderId(id: OrderId): Uint8Array {
  return dydx.OrderId.encode(dydx.OrderId.fromPartial(toOrderId(id))).finish();
}

function isSameOrder(bytes: Uint8Array, id: OrderId): boolean {
  try {
    const theirs = dydx.OrderId.encode(dydx.OrderId.decode(bytes)).finish();
    return Buffer.from(theirs).equals(encodeOrderId(id));
  } catch {
    return false;
  }
}

/**
 * QueryBlockRateLimitConfigurationResponse{1: configuration{2: stateful, 4: short-term orders and cancels}}. Fields 1 and
 * 3, short-term orders and cancels apart, are from before chain version 5 and count only where there is no field 4.
 */
export async function askBlockRateLimits(rpc: JsonRpc): Promise<BlockRateLimits> {
  const path = '/dydxprotocol.clob.Query/BlockRateLimitConfiguration';
  const config = await askConfiguration(rpc, path);
  const limits = (field: number) => config.everyBytes(field).map((bytes) => readRateLimit(bytes, rpc, path));
  const together = limits(4);
  return {
    shortTerm: together.length > 0 ? together : [...limits(1), ...limits(3)],
    stateful: limits(2),
  };
}

/** MaxPerNBlocksRateLimit{1: num_blocks, 2: limit}; the chain takes no zero. */
function readRateLimit(bytes: Uint8Array, rpc: JsonRpc, path: string): BlockRateLimit {
  const message = readMessage(bytes);
  const [blocks, limit] = [Number(message?.uint64(1) ?? 0n), Number(message?.uint64(2) ?? 0n)];
  if (!isUint32(blocks) || !isUint32(limit) || blocks === 0 || limit === 0) throw malformed(rpc, path);
  return { limit, blocks };
}

/** QueryEquityTierLimitConfigurationResponse{1: configuration{2: stateful{1: usd_tnc_required, 2: limit}}} */
export async function askEquityTiers(rpc: JsonRpc): Promise<readonly EquityTier[]> {
  const path = '/dydxprotocol.clob.Query/EquityTierLimitConfiguration';
  const config = await askConfiguration(rpc, path);
  const tiers = config.everyBytes(2).map((bytes): EquityTier => {
    const message = readMessage(bytes);
    const usdcQuantums = readSerializableInt(message?.bytes(1) ?? NOTHING);
    // A limit of 0 is left out by proto3, and is one: nothing may be open below the first real tier.
    const limit = Number(message?.uint64(2) ?? 0n);
    if (message === undefined || usdcQuantums === undefined || usdcQuantums < 0n || !isUint32(limit)) {
      throw malformed(rpc, path);
    }
    return { usdcQuantums, limit };
  });
  return tiers.toSorted((one, other) => (one.usdcQuantums < other.usdcQuantums ? -1 : 1));
}

/** GetAuthenticatorsResponse{1: repeated AccountAuthenticator{1: id, 2: type, 3: config}} */
export async function askAuthenticators(rpc: JsonRpc, owner: string): Promise<readonly Authenticator[]> {
  const path = '/dydxprotocol.accountplus.Query/GetAuthenticators';
  const answer = await abciQuery(rpc, path, stringField(1, owner));
  if (answer.kind === 'not_found') return [];
  const message = readMessage(answer.value);
  if (message === undefined) throw malformed(rpc, path);
  return message.everyBytes(1).map((bytes) => {
    const authenticator = readMessage(bytes);
    const type = text(authenticator?.bytes(2));
    if (authenticator === undefined || type === '') throw malformed(rpc, path);
    // The first id of the chain is 0, which proto3 leaves out.
    return { id: authenticator.uint64(1) ?? 0n, type, config: authenticator.bytes(3) ?? NOTHING };
  });
}

/** Field 1 is always there, were it empty: an answer without it is none, and "no limits" must not follow from it. */
async function askConfiguration(rpc: JsonRpc, path: string): Promise<Message> {
  const answer = await abciQuery(rpc, path, NOTHING);
  const config = answer.kind === 'found' ? readMessage(answer.value)?.bytes(1) : undefined;
  const message = config === undefined ? undefined : readMessage(config);
  if (message === undefined) throw malformed(rpc, path);
  return message;
}

function malformed(rpc: JsonRpc, path: string): Error {
  return new Error(`malformed answer to ${path} from ${rpc.host}`);
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffffffff;
}

function text(bytes: Uint8Array | undefined): string {
  return Buffer.from(bytes ?? NOTHING).toString('utf8');
}
