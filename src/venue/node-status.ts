// What a node says of itself: its chain, its newest block, whether it follows and whether it indexes transactions.
// Source: cometbft rpc/core/status.go, p2p/node_info.go.
import { z } from 'zod';
import type { Block } from '../core/ports.ts';
import type { JsonRpc } from './json-rpc.ts';

export type NodeStatus = {
  readonly chainId: string;
  readonly block: Block;
  /** Still syncing: it knows old blocks only. */
  readonly isCatchingUp: boolean;
  /** Its oldest block: it was synced from a snapshot, or has pruned what was before. undefined: it does not say. */
  readonly earliestHeight: number | undefined;
  /** Whether it can tell where a transaction is. */
  readonly isIndexing: boolean;
};

/** Of a block, as every answer of a node writes it. */
export const HEIGHT = z
  .string()
  .regex(/^\d{1,15}$/)
  .transform(Number);

const STATUS = z
  .object({
    node_info: z.object({
      network: z.string().min(1),
      other: z.object({ tx_index: z.string().optional() }).optional(),
    }),
    sync_info: z.object({
      latest_block_height: HEIGHT,
      earliest_block_height: HEIGHT.optional(),
      latest_block_time: z
        .string()
        .transform((text) => new Date(text))
        .refine((time) => !Number.isNaN(time.getTime()), 'not a time'),
      catching_up: z.boolean().optional(),
    }),
  })
  .transform(
    ({ node_info, sync_info }): NodeStatus => ({
      chainId: node_info.network,
      block: { height: sync_info.latest_block_height, time: sync_info.latest_block_time },
      isCatchingUp: sync_info.catching_up === true,
      earliestHeight: sync_info.earliest_block_height,
      isIndexing: node_info.other?.tx_index === 'on',
    }),
  );

/** Throws when the node does not answer, or not as a node does. */
export async function askStatus(rpc: JsonRpc): Promise<NodeStatus> {
  const parsed = STATUS.safeParse(await rpc.ask('status', {}));
  if (!parsed.success) throw new Error(`malformed status from ${rpc.host}: ${z.prettifyError(parsed.error)}`);
  return parsed.data;
}
