// What an injected fault looks like: where it strikes, what it does there, which requests it is aimed at, and when. A
// fault that makes no sense is refused by field, so that a script with a slip in it never runs as something else.
import { z } from 'zod';

const FAULT_ACTIONS = {
  broadcast: [
    'drop_before',
    'drop_after',
    'hang_before',
    'hang_after',
    'delay_answer',
    'http_502',
    'http_429',
    'html',
    'truncate',
    'empty',
    'oversize',
    'unknown_outcome',
    'reject',
    'fail_in_block',
    'lose',
  ],
  rpc: ['http_502', 'hang', 'delay_answer', 'drop', 'html', 'truncate', 'empty', 'oversize'],
  indexer: [
    'lag',
    'stale',
    'withhold_fills',
    'duplicate',
    'shuffle',
    'wrong_types',
    'empty',
    'http_403',
    'http_429',
    'http_502',
    'hang',
    'delay_answer',
    'drop',
    'html',
    'truncate',
    'oversize',
  ],
  socket: ['drop_message', 'close'],
} as const;

const INDEXER_PATHS = [
  'fills',
  'orders',
  'height',
  'time',
  'perpetualMarkets',
  'orderbooks',
  'addresses',
] as const;

const MAX_DELAY_MS = 600_000;
const count = z.number().int().min(1).max(1_000_000_000);
const height = z.number().int().min(0).optional();

/** hit only requests to this node (its index); absent = to any */
const node = z.number().int().min(0).optional();

const paramsSchema = z.strictObject({
  codespace: z.string().optional(),
  code: z.number().int().min(1).optional(),
  log: z.string().optional(),
  blocks: z.number().int().min(0).optional(),
  ms: z.number().int().min(0).max(MAX_DELAY_MS).optional(),
  /** venue uuid: withhold only fills of this order */
  order_id: z.string().optional(),
  /** withhold this part of the fills, drawn by the seed; absent = all */
  share: z.number().min(0).max(1).optional(),
  retry_after_ms: z.number().int().min(0).optional(),
});

const triggers = {
  /** armed while the chain's height is within these, both included */
  at_height: height,
  until_height: height,
  /** let the first n matching requests pass */
  skip: z.number().int().min(0).optional(),
  /** then hit each n-th, beginning with the n-th */
  every: count.optional(),
  /** of those, hit with this probability */
  probability: z.number().min(0).max(1).optional(),
  /** hit at most so often */
  count: count.optional(),
  params: paramsSchema.optional(),
};

/** Parameters may also stand beside `action`: {"on":"indexer","action":"lag","blocks":3}. */
function gatherParams(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const rest: Record<string, unknown> = { ...input };
  const params: Record<string, unknown> = {};
  for (const name of Object.keys(paramsSchema.shape)) {
    if (!(name in rest)) continue;
    params[name] = rest[name];
    delete rest[name];
  }
  if (Object.keys(params).length === 0) return input;
  return { ...rest, params: { ...(typeof rest['params'] === 'object' ? rest['params'] : {}), ...params } };
}

export const faultSchema = z.preprocess(
  gatherParams,
  z
    .discriminatedUnion('on', [
      z.strictObject({
        on: z.literal('broadcast'),
        action: z.enum(FAULT_ACTIONS.broadcast),
        node,
        ...triggers,
      }),
      z.strictObject({
        on: z.literal('rpc'),
        action: z.enum(FAULT_ACTIONS.rpc),
        node,
        /** hit only this method: tx, abci_query, status, … */
        method: z.string().optional(),
        ...triggers,
      }),
      z.strictObject({
        on: z.literal('indexer'),
        action: z.enum(FAULT_ACTIONS.indexer),
        /** hit only this resource under /v4 */
        path: z.enum(INDEXER_PATHS).optional(),
        ...triggers,
      }),
      /** messages of the indexer's websocket */
      z.strictObject({ on: z.literal('socket'), action: z.enum(FAULT_ACTIONS.socket), ...triggers }),
    ])
    .superRefine((fault, context) => {
      const demand = (...names: readonly ('code' | 'blocks' | 'ms')[]): void => {
        if (names.some((name) => fault.params?.[name] !== undefined)) return;
        const message = `${fault.action} needs ${names.map((name) => `params.${name}`).join(' or ')}`;
        context.addIssue({ code: 'custom', path: ['params', names[0] ?? ''], message });
      };
      if (fault.action === 'reject' || fault.action === 'fail_in_block') demand('code');
      if (fault.action === 'lag' || fault.action === 'stale') demand('blocks');
      if (fault.action === 'withhold_fills') demand('blocks', 'ms');
      if (fault.action === 'delay_answer') demand('ms');
    }),
);

export type Fault = z.infer<typeof faultSchema>;
export type FaultOn<K extends Fault['on']> = Extract<Fault, { on: K }>;

/** A whole script of faults: all are armed, or none. */
export const faultScriptSchema = z.array(faultSchema).min(1);
