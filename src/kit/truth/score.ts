// What a system believes against what the exchange knows: pure counts. Zero everywhere is the only good score.
import { fromAtoms, toAtoms } from '../../core/decimal.ts';
import { sizeToQuantums } from '../../core/quantize.ts';
import { marketOfTicker } from '../../paper/markets.ts';
import type { Truth } from '../../paper/truth.ts';
import type { AskedOrder } from './orders.ts';
import type { Belief } from './system.ts';

export const COUNTS = ['duplicates', 'lost_intents', 'lost_fills', 'wrong_finals', 'unproven'] as const;
export type Counts = Readonly<Record<(typeof COUNTS)[number], number>>;

export type Scored = {
  readonly counts: Counts;
  /** a line for each thing that was counted */
  readonly findings: readonly string[];
};

export type Evidence = {
  /** acknowledged by the queue, each with a size of its own */
  readonly asked: readonly AskedOrder[];
  readonly beliefs: readonly Belief[];
  /** of the account, without what was there before */
  readonly truth: Pick<Truth, 'orders' | 'fills'>;
  readonly unproven: readonly string[];
  /** by client id: what was final and contradicted before, although it may be mended by now */
  readonly contradicted?: ReadonlyMap<string, string> | undefined;
};

export function score({ asked, beliefs, truth, unproven, contradicted }: Evidence): Scored {
  const findings: { readonly count: keyof Counts; readonly by: number; readonly line: string }[] = [];
  const find = (count: keyof Counts, by: number, line: string) => {
    if (by > 0) findings.push({ count, by, line: `${count} ${by}: ${line}` });
  };
  const believed = new Map(beliefs.map((belief) => [belief.clientId, belief]));
  const accepted = acceptedOrders(truth);
  const fillsOf = Map.groupBy(truth.fills, (fill) => fill.order_id);
  const explained = new Set<string>();
  const wrong = new Map([...(contradicted ?? []), ...wrongFinals({ asked, beliefs, truth })]);

  for (const { intent, landing } of asked) {
    const { client_id } = intent;
    const orders = accepted.get(keyOf(intent)) ?? [];
    for (const { id } of orders) explained.add(id);
    const fills = orders.flatMap(({ id }) => fillsOf.get(id) ?? []);
    const belief = believed.get(client_id);
    find('duplicates', orders.length - 1, `${client_id} is ${orders.length} orders of the exchange`);
    if (belief === undefined) find('lost_intents', 1, `${client_id} is not known`);
    else if (!belief.isFinal) find('lost_intents', 1, `${client_id} is still ${belief.status}`);
    else if (landing === 'must' && orders.length === 0)
      find('lost_intents', 1, `${client_id} is ${belief.status}, and never reached the exchange`);

    const real = new Set(fills.map(({ id }) => id));
    const known = belief?.fillIds ?? [];
    const missing = fills.length - new Set(known.filter((id) => real.has(id))).size;
    const invented = known.filter((id) => !real.has(id)).length;
    find('lost_fills', missing, `${client_id}: fills that are not known`);
    find('lost_fills', invented, `${client_id}: fills that never happened`);

    if (landing === 'never' && orders.length > 0)
      find('wrong_finals', 1, `${client_id} was sent after its time`);
    const contradiction = wrong.get(client_id);
    if (contradiction !== undefined) find('wrong_finals', 1, `${client_id}: ${contradiction}`);
  }
  // Nobody asked for it: what is bought twice need not look like the original.
  for (const { id, size, side } of foreign(accepted, explained))
    find('duplicates', 1, `the exchange has ${side} ${size}, ${id}, that nobody asked for`);
  for (const line of unproven) find('unproven', 1, line);

  const counts = Object.fromEntries(
    COUNTS.map((count) => [
      count,
      findings.filter((finding) => finding.count === count).reduce((sum, { by }) => sum + by, 0),
    ]),
  ) as Counts;
  return { counts, findings: findings.map(({ line }) => line) };
}

export function isClean(counts: Counts): boolean {
  return COUNTS.every((count) => counts[count] === 0);
}

/** Everything is final and nothing is on its way: the score cannot get better by waiting. */
export function isOver({ asked, beliefs, truth }: Omit<Evidence, 'unproven'>): boolean {
  const final = new Set(beliefs.filter(({ isFinal }) => isFinal).map(({ clientId }) => clientId));
  return asked.every(({ intent }) => final.has(intent.client_id)) && truth.orders.every(({ live }) => !live);
}

/** What is final and contradicted by the exchange, by client id. */
export function wrongFinals({
  asked,
  beliefs,
  truth,
}: Pick<Evidence, 'asked' | 'beliefs' | 'truth'>): Map<string, string> {
  const believed = new Map(beliefs.map((belief) => [belief.clientId, belief]));
  const accepted = acceptedOrders(truth);
  const fillsOf = Map.groupBy(truth.fills, (fill) => fill.order_id);
  const wrong = new Map<string, string>();
  for (const { intent } of asked) {
    const belief = believed.get(intent.client_id);
    if (belief?.isFinal !== true) continue;
    const orders = accepted.get(keyOf(intent)) ?? [];
    const fills = orders.flatMap(({ id }) => fillsOf.get(id) ?? []);
    const contradiction = contradictionOf(belief, intent.size, orders, fills);
    if (contradiction !== undefined) wrong.set(intent.client_id, contradiction);
  }
  return wrong;
}

function contradictionOf(
  belief: Belief,
  size: string,
  orders: Truth['orders'],
  fills: Truth['fills'],
): string | undefined {
  const { status } = belief;
  const filled = fills.reduce((sum, fill) => sum + toAtoms(fill.size), 0n);
  if (toAtoms(belief.filled) !== filled)
    return `${status} with ${belief.filled} filled, and it was ${fromAtoms(filled)}`;
  if (status === 'FILLED' && filled !== toAtoms(size))
    return `FILLED, and ${fromAtoms(filled)} of ${size} was`;
  if (status !== 'FILLED' && filled >= toAtoms(size)) return `${status}, and it is filled`;
  if (status === 'REJECTED' && filled > 0n) return `REJECTED, and ${fromAtoms(filled)} was filled`;
  if (status !== 'FILLED' && orders.some(({ live }) => live)) return `${status}, and it may still fill`;
  return undefined;
}

function acceptedOrders(truth: Evidence['truth']): Map<string, Truth['orders']> {
  const accepted = truth.orders.filter((order) => order.accepted > 0);
  return Map.groupBy(accepted, (order) => key(order.market, order.side, order.quantums));
}

function keyOf({ market, side, size }: AskedOrder['intent']): string {
  return key(market, side, quantumsOf(market, size));
}

function key(market: string, side: string, quantums: string): string {
  return `${market} ${side} ${quantums}`;
}

function quantumsOf(ticker: string, size: string): string {
  const market = marketOfTicker(ticker);
  return market === undefined ? '' : String(sizeToQuantums(size, market));
}

function foreign(accepted: ReadonlyMap<string, Truth['orders']>, explained: ReadonlySet<string>) {
  return [...accepted.values()]
    .flat()
    .filter(({ id }) => !explained.has(id))
    .map(({ id, quantums, side }) => ({ id, size: `${quantums} quantums`, side }));
}
