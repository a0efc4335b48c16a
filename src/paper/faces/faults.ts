// Injected faults: which request is hit is decided here (order of adding, then height, aim, skip, every, probability,
// count); what happens to it is up to the face. The same seed and the same requests give the same hits. A request can
// also bring its own fault in a header; that one hits nothing else.
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';
import { noise } from '../synthetic.ts';
import { type Fault, type FaultOn, faultSchema } from './fault-schema.ts';

const MAX_FAULTS = 1000;
/** {"action":"drop_after"}: for this request alone, before any other fault, and counted by none. */
const FAULT_HEADER = 'x-paper-fault';

/** What a fault can be aimed at. */
type Target = { readonly node?: number; readonly method?: string; readonly path?: string | undefined };
type ListedFault = Fault & { readonly id: number; readonly seen: number; readonly hits: number };

type Armed = { readonly id: number; readonly fault: Fault; seen: number; hits: number };

/** The header of a request names no fault that can be; says why. */
export class FaultHeaderError extends Error {}

export type Faults = {
  readonly add: (fault: Fault) => number;
  readonly clear: () => void;
  readonly list: () => ListedFault[];
  /** The fault that hits this request, if any. Counts the request. */
  readonly take: <K extends Fault['on']>(
    on: K,
    request: IncomingMessage,
    target?: Target,
  ) => FaultOn<K> | undefined;
  /** Blocks of lag that apply to every indexer request now. */
  readonly steadyLagBlocks: () => number;
};

function isSteadyLag(fault: Fault): boolean {
  return (
    fault.on === 'indexer' &&
    fault.action === 'lag' &&
    fault.path === undefined &&
    (fault.skip ?? 0) === 0 &&
    (fault.every ?? 1) === 1 &&
    (fault.probability ?? 1) === 1 &&
    fault.count === undefined
  );
}

function isAimedAt(fault: Fault, { node, method, path }: Target): boolean {
  if (fault.on === 'socket') return true;
  if (fault.on === 'indexer') return fault.path === undefined || fault.path === path;
  const isNode = fault.node === undefined || fault.node === node;
  return isNode && (fault.on !== 'rpc' || fault.method === undefined || fault.method === method);
}

function isArmedAt(
  { at_height = 0, until_height = Number.MAX_SAFE_INTEGER }: Fault,
  height: number,
): boolean {
  return height >= at_height && height <= until_height;
}

function readHeader(on: Fault['on'], text: string): Fault {
  try {
    return faultSchema.parse({ ...JSON.parse(text), on });
  } catch (cause) {
    const reason =
      cause instanceof z.ZodError ? cause.issues.map(({ message }) => message).join('; ') : 'no JSON';
    throw new FaultHeaderError(`${FAULT_HEADER}: ${reason}`, { cause });
  }
}

export function createFaults(seed: number, heightNow: () => number): Faults {
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
    take: <K extends Fault['on']>(on: K, request: IncomingMessage, target: Target = {}) => {
      const isOurs = (fault: Fault): fault is FaultOn<K> => fault.on === on;
      const header = request.headers[FAULT_HEADER];
      if (typeof header === 'string') {
        const fault = readHeader(on, header);
        if (isOurs(fault)) return fault;
      }
      for (const entry of armed) {
        const { fault } = entry;
        if (!isOurs(fault) || isSteadyLag(fault) || !isArmedAt(fault, heightNow())) continue;
        if (isAimedAt(fault, target) && isHit(entry)) return fault;
      }
      return undefined;
    },
    steadyLagBlocks: () =>
      armed.reduce(
        (most, { fault }) =>
          isSteadyLag(fault) && isArmedAt(fault, heightNow())
            ? Math.max(most, fault.params?.blocks ?? 0)
            : most,
        0,
      ),
  };
}
