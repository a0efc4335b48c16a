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
  side: z.enum(['BUY', 'SELL']),
  quantums: integerText,
  subticks: integerText,
  tif: z.number().int(),
  reduceOnly: z.boolean(),
  metadata: z.number().int(),
});

/** An order that can fill no more, or (after a partial match) none of its remainder. */
const removalSchema = z.object({ t: z.literal('removal'), order: z.string(), reason: z.string() });

const blockFillSchema = z.object({
  order: z.string(),
  side: z.enum(['BUY', 'SELL']),
  liquidity: z.enum(['TAKER', 'MAKER']),
  quantums: integerText,
  subticks: integerText,
  /** good-til-block of the placement that was matched: fill memory lasts 40 blocks longer */
  gtb: z.number().int(),
  /** index of the match in the block; both sides of a match share it */
  event: z.number().int(),
});

const blockSchema = z.object({
  t: z.literal('block'),
  height: z.number().int().positive(),
  timeMs: z.number().int(),
  fills: z.array(blockFillSchema),
  expired: z.array(z.string()),
});

export const factSchema = z.discriminatedUnion('t', [deliverySchema, removalSchema, blockSchema]);
export type Fact = z.infer<typeof factSchema>;
export type Delivery = z.infer<typeof deliverySchema>;
export type Block = z.infer<typeof blockSchema>;
export type BlockFill = z.infer<typeof blockFillSchema>;
