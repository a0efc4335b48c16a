// What the paper exchange never forgets, as the lines of its journal. The ledger is a fold over these facts and
// nothing else, so a ledger rebuilt from the journal equals the one that was visible before a crash.
import { z } from 'zod';

const integerText = z.string().regex(/^-?\d+$/);

/** Every broadcast of an OrderId that reached CheckTx, with the content it carried. */
const deliverySchema = z.object({
  t: z.literal('delivery'),
  /** uuid of the OrderId below: the name of the order in all other facts */
  order: z.string(),
  owner: z.string(),
  subaccount: z.number().int(),
  client: z.number().int(),
  pair: z.number().int(),
  flags: z.number().int(),
  accepted: z.boolean(),
  gtb: z.number().int(),
  /** good-til-block-time of a stateful order */
  gtbt: z.number().int().optional(),
  side: z.enum(['BUY', 'SELL']),
  quantums: integerText,
  subticks: integerText,
  tif: z.number().int(),
  reduceOnly: z.boolean(),
  metadata: z.number().int(),
  /** the proposer took over what another node had accepted: no further delivery */
  gossip: z.boolean().optional(),
});

/** An order that can fill no more, or (after a partial match) none of its remainder. */
const removalSchema = z.object({ t: z.literal('removal'), order: z.string(), reason: z.string() });

/** CheckTx's answer to a client, when it was no. */
const refusalSchema = z.object({ t: z.literal('refusal'), codespace: z.string(), code: z.number().int() });

const balanceSchema = z.object({
  t: z.literal('balance'),
  owner: z.string(),
  subaccount: z.number().int(),
  /** what the subaccount starts with, in quote quantums */
  quote: integerText,
});

const marketSchema = z.object({
  t: z.literal('market'),
  ticker: z.string(),
  status: z.string().optional(),
  step: integerText.optional(),
  tick: integerText.optional(),
});

/** Registered without a transaction, by a test. */
const authenticatorSchema = z.object({
  t: z.literal('authenticator'),
  owner: z.string(),
  type: z.string(),
  /** base64 */
  config: z.string(),
});

const blockFillSchema = z.object({
  order: z.string(),
  side: z.enum(['BUY', 'SELL']),
  liquidity: z.enum(['TAKER', 'MAKER']),
  quantums: integerText,
  subticks: integerText,
  /** good-til-block of the placement that was matched: fill memory lasts 40 blocks longer; 0 if stateful */
  gtb: z.number().int(),
  /** index of the match in the block; both sides of a match share it */
  event: z.number().int(),
});

const blockTransactionSchema = z.object({
  hash: z.string(),
  /** base64 */
  bytes: z.string(),
  code: z.number().int(),
  codespace: z.string(),
  log: z.string(),
  /** false when replay protection or the signature failed: the nonce is free still */
  tookNonce: z.boolean(),
});

/** Parts in the order in which the chain goes through them; absent = none. */
const blockSchema = z.object({
  t: z.literal('block'),
  height: z.number().int().positive(),
  timeMs: z.number().int(),
  fills: z.array(blockFillSchema),
  /** stateful orders that the proposer's operations took out of state */
  removed: z.array(z.object({ order: z.string(), reason: z.string() })).optional(),
  txs: z.array(blockTransactionSchema).optional(),
  /** at their good-til-block or good-til-block-time */
  expired: z.array(z.string()),
  triggered: z.array(z.string()).optional(),
});

export const factSchema = z.discriminatedUnion('t', [
  deliverySchema,
  removalSchema,
  refusalSchema,
  balanceSchema,
  marketSchema,
  authenticatorSchema,
  blockSchema,
]);
export type Fact = z.infer<typeof factSchema>;
export type Delivery = z.infer<typeof deliverySchema>;
export type Block = z.infer<typeof blockSchema>;
export type BlockFill = z.infer<typeof blockFillSchema>;
export type BlockTransaction = z.infer<typeof blockTransactionSchema>;
