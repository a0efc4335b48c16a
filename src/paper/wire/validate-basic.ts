// Stateless validation of clob messages, in the order of the chain's ValidateBasic: the first violated rule gives
// the code. Numbers are those of facts §2 and §3.2; nothing here depends on height, book or account.
import { isDydxAddress } from './accounts.ts';
import { type BatchCancel, type CancelOrder, FLAGS, type Message, type PlaceOrder, SIDE } from './message.ts';
import { type Refusal, refuse, refuseClob } from './refusal.ts';

const MAX_SUBACCOUNT_NUMBER = 128_000;
const MAX_BATCH_CANCELS = 100;
const MAX_BUILDER_FEE_PPM = 10_000;
const TWAP_INTERVAL_SECONDS = [30, 3_600] as const;
const TWAP_DURATION_SECONDS = [300, 86_400] as const;
const TWAP_MAX_TOLERANCE_PPM = 1_000_000;

export const TIF = { DEFAULT: 0, IOC: 1, POST_ONLY: 2, FOK: 3 } as const;
const KNOWN_FLAGS: readonly number[] = Object.values(FLAGS);

function checkSubaccount(id: { owner: string; number: number } | undefined): Refusal | undefined {
  if (!isDydxAddress(id?.owner ?? ''))
    return refuse('subaccounts', 201, `owner is not a dydx address: "${id?.owner ?? ''}"`);
  if ((id?.number ?? 0) > MAX_SUBACCOUNT_NUMBER) {
    return refuse('subaccounts', 200, `subaccount number ${id?.number} is above ${MAX_SUBACCOUNT_NUMBER}`);
  }
  return undefined;
}

function checkLifetime(flags: number, goodTilBlock: number, goodTilBlockTime: number): Refusal | undefined {
  if (!KNOWN_FLAGS.includes(flags)) return refuseClob(3000, `invalid order flag ${flags}`);
  if (flags === FLAGS.SHORT_TERM) {
    return goodTilBlock === 0 ? refuseClob(5, 'good-til-block cannot be 0') : undefined;
  }
  return goodTilBlockTime === 0
    ? refuseClob(3001, 'good-til-block-time of a stateful order cannot be 0')
    : undefined;
}

function checkCondition(flags: number, order: PlaceOrder): Refusal | undefined {
  const type: number = order.conditionType;
  const hasTrigger = !order.conditionalOrderTriggerSubticks.isZero();
  if (flags === FLAGS.CONDITIONAL) {
    if (type === 0) return refuseClob(6000, 'a conditional order needs a condition type');
    return hasTrigger ? undefined : refuseClob(6001, 'a conditional order needs trigger subticks');
  }
  if (type !== 0) return refuseClob(6000, 'only conditional orders have a condition type');
  return hasTrigger ? refuseClob(6001, 'only conditional orders have trigger subticks') : undefined;
}

/** Within [low, high]. */
function isWithin(value: number, [low, high]: readonly [number, number]): boolean {
  return value >= low && value <= high;
}

function checkTwap({ twapParameters }: PlaceOrder): Refusal | undefined {
  if (!twapParameters) return refuseClob(12, 'a TWAP order needs TWAP parameters');
  const { duration, interval, priceTolerance } = twapParameters;
  if (!isWithin(interval, TWAP_INTERVAL_SECONDS)) return refuseClob(12, `TWAP interval ${interval} s`);
  if (!isWithin(duration, TWAP_DURATION_SECONDS)) return refuseClob(12, `TWAP duration ${duration} s`);
  if (duration % interval !== 0) return refuseClob(12, 'TWAP duration must be a multiple of the interval');
  if (priceTolerance >= TWAP_MAX_TOLERANCE_PPM)
    return refuseClob(12, `TWAP price tolerance ${priceTolerance}`);
  return undefined;
}

function checkBuilder({ builderCodeParameters }: PlaceOrder): Refusal | undefined {
  if (!builderCodeParameters) return undefined;
  const { feePpm, builderAddress } = builderCodeParameters;
  return isWithin(feePpm, [1, MAX_BUILDER_FEE_PPM]) && isDydxAddress(builderAddress)
    ? undefined
    : refuseClob(50, 'invalid builder code');
}

function checkPlace(order: PlaceOrder): Refusal | undefined {
  const side: number = order.side;
  const tif: number = order.timeInForce;
  const condition: number = order.conditionType;
  const flags = order.orderId?.orderFlags ?? 0;
  if (tif === TIF.FOK) return refuseClob(48, 'fill-or-kill is retired');
  const subaccount = checkSubaccount(order.orderId?.subaccountId);
  if (subaccount) return subaccount;
  if (side !== SIDE.BUY && side !== SIDE.SELL) return refuseClob(3, `invalid order side ${side}`);
  if (tif < 0 || tif > 3) return refuseClob(44, `invalid time in force ${tif}`);
  if (condition < 0 || condition > 2) return refuseClob(6000, `invalid condition type ${condition}`);
  if (order.quantums.isZero()) return refuseClob(4, 'quantums cannot be 0');
  if (order.orderRouterAddress !== '' && !isDydxAddress(order.orderRouterAddress)) {
    return refuseClob(11000, `order router is not a dydx address: ${order.orderRouterAddress}`);
  }
  const lifetime = checkLifetime(flags, order.goodTilBlock ?? 0, order.goodTilBlockTime ?? 0);
  if (lifetime) return lifetime;
  if (flags === FLAGS.LONG_TERM && tif === TIF.IOC) return refuseClob(3002, 'long-term orders cannot be IOC');
  if (order.reduceOnly && tif !== TIF.IOC)
    return refuseClob(9003, 'reduce-only orders must be short-term IOC orders');
  if (order.subticks.isZero() && flags !== FLAGS.TWAP) return refuseClob(6, 'subticks cannot be 0');
  return (
    checkCondition(flags, order) ??
    checkBuilder(order) ??
    (flags === FLAGS.TWAP ? checkTwap(order) : undefined)
  );
}

function checkCancel(cancel: CancelOrder): Refusal | undefined {
  return (
    checkSubaccount(cancel.orderId?.subaccountId) ??
    checkLifetime(cancel.orderId?.orderFlags ?? 0, cancel.goodTilBlock ?? 0, cancel.goodTilBlockTime ?? 0)
  );
}

function checkBatchCancel(batch: BatchCancel): Refusal | undefined {
  const subaccount = checkSubaccount(batch.subaccountId);
  if (subaccount) return subaccount;
  const lists = batch.shortTermCancels;
  if (lists.length === 0) return refuseClob(45, 'a batch cancel needs at least one order');
  if (new Set(lists.map((list) => list.clobPairId)).size < lists.length)
    return refuseClob(45, 'duplicate clob pair id');
  for (const { clobPairId, clientIds } of lists) {
    if (clientIds.length === 0) return refuseClob(45, `clob pair ${clobPairId} has no client ids`);
    if (new Set(clientIds).size < clientIds.length) {
      return refuseClob(45, `clob pair ${clobPairId} has a duplicate client id`);
    }
  }
  const count = lists.reduce((sum, list) => sum + list.clientIds.length, 0);
  return count > MAX_BATCH_CANCELS
    ? refuseClob(45, `${count} cancels, at most ${MAX_BATCH_CANCELS}`)
    : undefined;
}

export function validateBasic(message: Message): Refusal | undefined {
  switch (message.kind) {
    case 'place':
      return checkPlace(message.order);
    case 'cancel':
      return checkCancel(message.cancel);
    case 'batch_cancel':
      return checkBatchCancel(message.batch);
    default:
      return undefined;
  }
}
