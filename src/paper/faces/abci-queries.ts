// ABCI queries of one node: protobuf in, protobuf out, from the state that this node has committed. Field numbers are
// those of v4-proto; a query that finds nothing is an answer with a code, not an RPC error.
import { dydx } from '../../chain/dydx.ts';
import { orderUuid } from '../../core/order-uuid.ts';
import type { PaperNode } from '../node/node.ts';
import type { RateLimit } from '../node/rate-limit.ts';
import { toQuoteQuantums } from '../state/equity.ts';
import { filledAt, placementAt, replayAt } from '../state/ledger.ts';
import { isDydxAddress, paperAccountNumber } from '../wire/accounts.ts';
import { orderIdOf } from '../wire/message.ts';
import { bytesField, readFields, textField, writeBytes, writeNumber } from '../wire/protobuf.ts';
import type { Params } from './rpc-queries.ts';

const NOT_FOUND = 22;

type Found = { readonly value: Uint8Array; readonly code?: never };
type Missing = { readonly code: number; readonly log: string; readonly value?: never };
type Query = (node: PaperNode, data: Uint8Array) => Found | Missing;

function account(node: PaperNode, data: Uint8Array): Found | Missing {
  const address = textField(readFields(data), 1);
  if (!isDydxAddress(address)) {
    return {
      code: NOT_FOUND,
      log: `rpc error: code = NotFound desc = account ${address} not found: key not found`,
    };
  }
  const { sequence } = replayAt(node.chain.ledger, address, node.view.height);
  const base = Buffer.concat([
    writeBytes(1, address),
    writeNumber(3, BigInt(paperAccountNumber(address))),
    writeNumber(4, BigInt(sequence)),
  ]);
  const any = Buffer.concat([writeBytes(1, '/cosmos.auth.v1beta1.BaseAccount'), writeBytes(2, base)]);
  return { value: writeBytes(1, any) };
}

function statefulOrder({ chain, view }: PaperNode, data: Uint8Array): Found | Missing {
  const id = orderUuid(orderIdOf(dydx.OrderId.decode(bytesField(readFields(data), 1))));
  const order = chain.ledger.orders.get(id);
  const placement = order && placementAt(order, view.height);
  if (!order || !placement) {
    return { code: NOT_FOUND, log: 'rpc error: code = NotFound desc = not found: key not found' };
  }
  const { content, height, transactionIndex, triggeredAtHeight } = placement;
  const ordering = Buffer.concat([writeNumber(1, BigInt(height)), writeNumber(2, BigInt(transactionIndex))]);
  const longTerm = Buffer.concat([
    writeBytes(1, dydx.Order.encode(content).finish()),
    writeBytes(2, ordering),
  ]);
  const isTriggered = triggeredAtHeight !== undefined && triggeredAtHeight <= view.height;
  return {
    value: Buffer.concat([
      writeBytes(1, longTerm),
      writeNumber(2, filledAt(order, placement, view.height)),
      writeNumber(3, isTriggered ? 1n : 0n),
    ]),
  };
}

function rate({ limit, blocks }: RateLimit): Buffer {
  return Buffer.concat([writeNumber(1, BigInt(blocks)), writeNumber(2, BigInt(limit))]);
}

function blockRateLimits({ limits }: PaperNode): Found {
  const configuration = Buffer.concat([
    ...limits.stateful.map((each) => writeBytes(2, rate(each))),
    writeBytes(4, rate(limits.shortTerm)),
  ]);
  return { value: writeBytes(1, configuration) };
}

/** v4-chain's dtypes.SerializableInt: a sign byte (2 = not negative), then the magnitude big-endian. */
function serializableInt(value: bigint): Buffer {
  const hex = value.toString(16);
  const magnitude = value === 0n ? '' : hex.padStart(hex.length + (hex.length % 2), '0');
  return Buffer.from(`02${magnitude}`, 'hex');
}

function equityTiers({ chain }: PaperNode): Found {
  const tiers = chain.limits.equityTiers.map(({ usd, limit }) =>
    writeBytes(
      2,
      Buffer.concat([writeBytes(1, serializableInt(toQuoteQuantums(usd))), writeNumber(2, BigInt(limit))]),
    ),
  );
  return { value: writeBytes(1, Buffer.concat(tiers)) };
}

function authenticators({ chain }: PaperNode, data: Uint8Array): Found {
  const registered = chain.ledger.authenticators.byOwner.get(textField(readFields(data), 1)) ?? [];
  return {
    value: Buffer.concat(
      registered.map(({ id, type, config }) =>
        writeBytes(1, Buffer.concat([writeNumber(1, id), writeBytes(2, type), writeBytes(3, config)])),
      ),
    ),
  };
}

/** Every transaction is said to need the same gas. */
function simulate(): Found {
  return { value: writeBytes(1, Buffer.concat([writeNumber(1, 1_000_000n), writeNumber(2, 100_000n)])) };
}

const QUERIES: Readonly<Record<string, Query>> = {
  '/cosmos.auth.v1beta1.Query/Account': account,
  '/cosmos.tx.v1beta1.Service/Simulate': simulate,
  '/dydxprotocol.clob.Query/StatefulOrder': statefulOrder,
  '/dydxprotocol.clob.Query/BlockRateLimitConfiguration': blockRateLimits,
  '/dydxprotocol.clob.Query/EquityTierLimitConfiguration': equityTiers,
  '/dydxprotocol.accountplus.Query/GetAuthenticators': authenticators,
};

function run(node: PaperNode, path: string, data: Uint8Array): Found | Missing {
  const query = Object.hasOwn(QUERIES, path) ? QUERIES[path] : undefined;
  if (!query) return { code: 6, log: `unknown query path: ${path}` };
  try {
    return query(node, data);
  } catch {
    // Whatever a decoder throws means the same to a node: these bytes are no request.
    return { code: 2, log: 'tx parse error' };
  }
}

/** The `response` of an abci_query. */
export function abciQuery(node: PaperNode, params: Params): unknown {
  const data = Buffer.from(String(params['data'] ?? ''), 'hex');
  const answer = run(node, String(params['path']), data);
  return {
    code: answer.code ?? 0,
    log: answer.code === undefined ? '' : answer.log,
    info: '',
    index: '0',
    key: null,
    value: answer.value === undefined ? null : Buffer.from(answer.value).toString('base64'),
    proofOps: null,
    height: String(node.view.height),
    codespace: answer.code === undefined ? '' : 'sdk',
  };
}
