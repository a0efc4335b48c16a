// Injected faults: which request is hit is decided here (order of adding, then skip, every, probability, count);
// what happens to it is up to the face. The same seed and the same requests give the same hits.
import { z } from 'zod';
import { noise } from '../synthetic.ts';

const FAULT_ACTIONS = {
  broadcast: [
    'drop_before',
    'drop_after',
    'hang_before',
    'hang_after',
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
  rpc: ['http_502', 'hang', 'drop', 'html', 'truncate', 'empty', 'oversize'],
  indexer: ['lag', 'http_429', 'http_502', 'hang', 'html', 'truncate'],
} as const;

const MAX_FAULTS = 1000;
const count = z.number().int().min(1).max(1_000_000_000);

/** hit only requests to this node (its index); absent = to any */
const node = z.number().int().min(0).optional();

const triggers = {
  /** let the first n matching requests pass */
  skip: z.number().int().min(0).optional(),
  /** then hit each n-th, beginning with the n-th */
  every: count.optional(),
  /** of those, hit with this probability */
  probability: z.number().min(0).max(1).optional(),
  /** hit at most so often */
  count: count.optional(),
  params: z
    .strictObject({
      codespace: z.string().optional(),
      code: z.number().int().min(1).optional(),
      log: z.string().optional(),
      blocks: z.number().int().min(0).optional(),
      retry_after_ms: z.number().int().min(0).optional(),
    })
    .optional(),
};

const PARAM_NAMES = ['codespace', 'code', 'log', 'blocks', 'retry_after_ms'] as const;

/** Parameters may also stand beside `action`: {"on":"indexer","action":"lag","blocks":3}. */
function gatherParams(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return input;
  const rest: Record<string, unknown> = { ...input };
  const params: Record<string, unknown> = {};
  for (const name of PARAM_NAMES) {
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
      z.strictObject({ on: z.literal('indexer'), action: z.enum(FAULT_ACTIONS.indexer), ...triggers }),
    ])
    .superRefine((fault, context) => {
      const demand = (name: 'code' | 'blocks'): void => {
        if (fault.params?.[name] === undefined) {
          context.addIssue({
            code: 'custom',
            path: ['params', name],
            message: `${fault.action} needs params.${name}`,
          });
        }
      };
      if (fault.action === 'reject' || fault.action === 'fail_in_block') demand('code');
      if (fault.action === 'lag') demand('blocks');
    }),
);

export type Fault = z.infer<typeof faultSchema>;
/** What a fault can be aimed at. */
type Target = { readonly node?: number; readonly method?: string };
type FaultOn<K extends Fault['on']> = Extract<Fault, { on: K }>;
type ListedFault = Fault & { readonly id: number; readonly seen: number; readonly hits: number };

type Armed = { readonly id: number; readonly fault: Fault; seen: number; hits: number };

export type Faults = {
  readonly add: (fault: Fault) => number;
  readonly clear: () => void;
  readonly list: () => ListedFault[];
  /** The fault that hits this request, if any. Counts the request. */
  readonly take: <K extends Fault['on']>(on: K, target?: Target) => FaultOn<K> | undefined;
  /** Blocks of lag that apply to every indexer request now. */
  readonly steadyLagBlocks: () => number;
};

function isSteadyLag(fault: Fault): boolean {
  return (
    fault.action === 'lag' &&
    (fault.skip ?? 0) === 0 &&
    (fault.every ?? 1) === 1 &&
    (fault.probability ?? 1) === 1 &&
    fault.count === undefined
  );
}

function isAimedAt(fault: Fault, { node, method }: Target): boolean {
  if (fault.on === 'indexer') return true;
  const isNode = fault.node === undefined || fault.node === node;
  return isNode && (fault.on !== 'rpc' || fault.method === undefined || fault.method === method);
}

export function createFaults(seed: number): Faults {
  let armed: Armed[] = [];
  let lastId = 0;

  const isHit = (entry: Armed): boolean => {
    const { skip = 0, every = 1, probability = 1, count: most = Number.POSITIVE_INFINITY } = entry.fault;
    entry.seen += 1;
    const index = entry.seen - skip;
    if (index <= 0 || index % every !== 0 || entry.hits >= most) return false;
    if (noise(seed, 7001, entry.id, entry.seen) >= probability) return false;
    entry.hits += 1;
    return true;
  };

  return {
    add(input) {
      if (armed.length >= MAX_FAULTS) throw new Error(`at most ${MAX_FAULTS} faults; clear them first`);
      const fault = faultSchema.parse(input);
      lastId += 1;
      armed.push({ id: lastId, fault, seen: 0, hits: 0 });
      return lastId;
    },
    clear() {
      armed = [];
    },
    list: () => armed.map(({ id, fault, seen, hits }) => ({ ...fault, id, seen, hits })),
    take: <K extends Fault['on']>(on: K, target: Target = {}) => {
      const isOurs = (fault: Fault): fault is FaultOn<K> => fault.on === on;
      for (const entry of armed) {
        const { fault } = entry;
        if (isOurs(fault) && !isSteadyLag(fault) && isAimedAt(fault, target) && isHit(entry)) return fault;
      }
      return undefined;
    },
    steadyLagBlocks: () =>
      armed.reduce(
        (most, { fault }) => (isSteadyLag(fault) ? Math.max(most, fault.params?.blocks ?? 0) : most),
        0,
      ),
  };
}
