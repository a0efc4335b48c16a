// The levers that belong to governance, operators and chance on a real chain, for tests in this process and over HTTP:
// nodes, markets, balances and authenticators. What changes the state is a fact and survives; a node's settings do not.
import { z } from 'zod';
import type { Chain } from '../blocks/chain.ts';
import type { Network } from '../node/network.ts';
import type { NodeChange, NodeSettings } from '../node/node.ts';
import { checkRegistration } from '../state/authenticators.ts';
import { toQuoteQuantums } from '../state/equity.ts';
import { isDydxAddress } from '../wire/accounts.ts';

/** Replay states and block times are kept as far back. */
const MAX_LAG_BLOCKS = 1_000;

/** Says to whoever asked what cannot be done. */
export class ControlError extends Error {}

export const nodeSettingsSchema = z
  .strictObject({
    lag_blocks: z.number().int().min(0).max(MAX_LAG_BLOCKS),
    tx_index: z.boolean(),
    catching_up: z.boolean(),
    is_down: z.boolean(),
    gossip: z.boolean(),
  })
  .partial();

const STATUSES = [
  'ACTIVE',
  'PAUSED',
  'CANCEL_ONLY',
  'POST_ONLY',
  'INITIALIZING',
  'FINAL_SETTLEMENT',
] as const;
const wholeNumber = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

export const marketChangeSchema = z.strictObject({
  ticker: z.string(),
  status: z.enum(STATUSES).optional(),
  step_base_quantums: wholeNumber.optional(),
  subticks_per_tick: wholeNumber.optional(),
});
type MarketSettings = z.infer<typeof marketChangeSchema>;

export const balanceSchema = z.strictObject({
  owner: z.string().refine(isDydxAddress, 'no dydx address'),
  subaccount_number: z.number().int().min(0).max(128_000).default(0),
  /** what the subaccount starts with: fills so far come on top */
  usdc: z.string().regex(/^\d+(\.\d{1,6})?$/, 'an amount of USDC has at most 6 decimals'),
});
type BalanceSettings = z.input<typeof balanceSchema>;

export const authenticatorSchema = z.strictObject({
  owner: z.string().refine(isDydxAddress, 'no dydx address'),
  type: z.string(),
  /** base64 */
  config: z.base64(),
});
type AuthenticatorSettings = z.infer<typeof authenticatorSchema>;

export type NodeStatus = NodeSettings & {
  readonly index: number;
  readonly height: number;
  /** stateful transactions in its mempool */
  readonly mempool: number;
};

export type Controls = {
  readonly nodes: () => NodeStatus[];
  /** Settings that are left out stay as they are. */
  readonly setNode: (index: number, change: NodeChange) => NodeStatus;
  readonly setMarket: (change: MarketSettings) => void;
  readonly setBalance: (balance: BalanceSettings) => void;
  /** Registers it at once, without a transaction; answers with its id. */
  readonly addAuthenticator: (authenticator: AuthenticatorSettings) => { readonly id: number };
};

export function createControls(chain: Chain, network: Network): Controls {
  const statusOf = ({ index, view, pool, settings }: Network['nodes'][number]): NodeStatus => ({
    index,
    height: view.height,
    mempool: pool.length,
    ...settings,
  });
  return {
    nodes: () => network.nodes.map(statusOf),
    setNode(index, change) {
      if (network.nodes[index] === undefined) {
        throw new ControlError(`no node ${index}: there are ${network.nodes.length}`);
      }
      return statusOf(network.setNode(index, nodeSettingsSchema.parse(change)));
    },
    setMarket({ ticker, status, step_base_quantums: step, subticks_per_tick: tick }) {
      if (!chain.ledger.markets.ofTicker(ticker)) throw new ControlError(`no such market: ${ticker}`);
      chain.changeMarket({ t: 'market', ticker, status, step: step?.toString(), tick: tick?.toString() });
    },
    setBalance(input) {
      const { owner, subaccount_number: subaccount, usdc } = balanceSchema.parse(input);
      chain.record({ t: 'balance', owner, subaccount, quote: toQuoteQuantums(usdc).toString() });
    },
    addAuthenticator({ owner, type, config }) {
      const refusal = checkRegistration(type, Buffer.from(config, 'base64'));
      if (refusal) throw new ControlError(refusal.log);
      const id = Number(chain.ledger.authenticators.nextId);
      chain.record({ t: 'authenticator', owner, type, config });
      return { id };
    },
  };
}
