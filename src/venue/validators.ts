// One validator out of one or more: every latestBlock asks all of them how they are, and whatever else is asked goes to
// those that are fine (node-health.ts), never to one that is not known to be on the configured chain. None of them can
// hold up the others: each has its own deadline.
import type { BroadcastAnswer, Validator } from '../core/ports.ts';
import { type Expected, newestBlock, rankNodes, type SeenNode, whyUnhealthy } from './node-health.ts';
import { createValidator, type ValidatorNode, type ValidatorOptions } from './validator.ts';

export type ValidatorsOptions = Omit<ValidatorOptions, 'url'> & {
  /** RPC base URLs of nodes of the chain, at least one */
  readonly urls: readonly string[];
  /** Of several: a node is asked for nothing any more, or is asked again. */
  readonly onNodeChange?: ((host: string, isHealthy: boolean, why: string) => void) | undefined;
  /** onNodeChange is called once in so long for each node, with what is so by then. Default: a minute. */
  readonly quietMs?: number;
  /** Once one has answered, the others are waited for so long: what they say later counts for the next time. */
  readonly stragglerMs?: number;
  /** what round trips are measured by; default: performance.now */
  readonly monotonicMs?: () => number;
};

export type ClosableValidator = Validator & { readonly close: () => Promise<void> };

const STRAGGLER_MS = 50;
/** When chains are compared: longer, for a node of another chain must not stay unseen. */
const CHAIN_STRAGGLER_MS = 500;
/** A node that has not said for so long how it is gets no work until it does. Below its own deadline. */
const SILENT_MS = 1_000;
/** Weight of the newest round trip. */
const SMOOTHING = 0.2;

/** A node that flaps is one line a minute, not one a poll. */
const QUIET_MS = 60_000;

export function createValidators({ urls, ...options }: ValidatorsOptions): ClosableValidator {
  if (urls.length === 0) throw new Error('no validator: give at least one URL');
  return createPool(
    urls.map((url) => createValidator({ ...options, url })),
    options,
  );
}

type Watched = { -readonly [Field in keyof SeenNode]: SeenNode[Field] } & {
  readonly node: ValidatorNode;
  /** true once it has answered */
  question: Promise<boolean> | undefined;
  /** what onNodeChange was last told, and when (monotonicMs) */
  told: { readonly isHealthy: boolean; readonly atMs: number };
};

function createPool(
  nodes: readonly ValidatorNode[],
  options: Omit<ValidatorsOptions, 'urls'>,
): ClosableValidator {
  const { chainId, now = Date.now, monotonicMs = () => performance.now(), onNodeChange } = options;
  const { quietMs = QUIET_MS, stragglerMs = STRAGGLER_MS } = options;
  const watched = nodes.map(watch);
  let ranked: readonly Watched[] = [];

  const expected = (): Expected => ({ chainId, nowMs: now() });

  function judge(): void {
    const held = expected();
    const known = watched.filter(({ status }) => status !== undefined);
    ranked = rankNodes(known, held);
    // Nobody is left out where there is only one: its errors tell.
    if (watched.length > 1) for (const node of watched) tell(node, whyUnhealthy(node, held));
  }

  function tell(node: Watched, why: string | undefined): void {
    const isHealthy = why === undefined;
    const atMs = monotonicMs();
    if (node.told.isHealthy === isHealthy || atMs - node.told.atMs < quietMs) return;
    node.told = { isHealthy, atMs };
    onNodeChange?.(node.host, isHealthy, why ?? 'it answers and follows the chain');
  }

  /** One question at a time: a silent node must not collect them. Never throws. */
  function askHow(node: Watched): Promise<boolean> {
    node.question ??= askOnce(node).finally(() => {
      node.question = undefined;
      judge();
    });
    return node.question;
  }

  async function askOnce(seen: Watched): Promise<boolean> {
    const startedMs = monotonicMs();
    const newestWhenAsked = newestBlock(watched, expected());
    const silence = setTimeout(() => {
      seen.failure = `${seen.host} has not answered for ${SILENT_MS} ms`;
      judge();
    }, SILENT_MS);
    try {
      seen.status = await seen.node.status();
      seen.newestWhenAsked = newestWhenAsked;
      seen.failure = undefined;
      const elapsedMs = monotonicMs() - startedMs;
      seen.latencyMs = smooth(seen.latencyMs, elapsedMs);
      return true;
    } catch (error) {
      seen.failure = error instanceof Error ? error.message : String(error);
      return false;
    } finally {
      clearTimeout(silence);
    }
  }

  async function askAllHow(waitMs: number): Promise<void> {
    const answers = await untilEnough(watched.map(askHow), waitMs);
    if (answers === 0) throw new Error(watched.map(({ failure }) => failure).join('; '));
  }

  /** Nodes of the chain, best first. Throws when there is none. */
  async function askable(): Promise<readonly Watched[]> {
    if (ranked.length === 0) await askAllHow(stragglerMs);
    if (ranked.length === 0) throw new Error(whyNobody());
    return ranked;
  }

  /** The first that can say. Throws what the best node said when none can. */
  async function firstAnswer<Answer>(ask: (node: ValidatorNode) => Promise<Answer>): Promise<Answer> {
    const errors: unknown[] = [];
    for (const { node } of await askable()) {
      try {
        return await ask(node);
      } catch (error) {
        errors.push(error);
      }
    }
    throw errors[0];
  }

  return {
    broadcast: async (bytes, mayLeave, turn = 0): Promise<BroadcastAnswer> => {
      let usable: readonly Watched[];
      try {
        usable = await askable();
      } catch (error) {
        return { kind: 'not_sent', reason: error instanceof Error ? error.message : String(error) };
      }
      const seen = usable[turn % usable.length];
      return seen?.node.broadcast(bytes, mayLeave) ?? { kind: 'not_sent', reason: whyNobody() };
    },

    latestBlock: async () => {
      await askAllHow(stragglerMs);
      const newest = newestBlock(watched, expected());
      if (newest === undefined) throw new Error(whyNobody());
      return newest;
    },

    // As the nodes say: whoever asks compares it with the configured one, at start and for health.
    chainId: async () => {
      await askAllHow(CHAIN_STRAGGLER_MS);
      const told = watched.flatMap(({ host, status, failure }) =>
        status === undefined || failure !== undefined ? [] : { host, chainId: status.chainId },
      );
      const [first] = told;
      if (first === undefined) throw new Error(watched.map(describe).join('; '));
      if (told.some((one) => one.chainId !== first.chainId)) {
        const places = told.map((one) => `${one.host} on ${one.chainId}`).join(', ');
        throw new Error(`the validators are on several chains, all must be nodes of one: ${places}`);
      }
      return first.chainId;
    },

    indexesTransactions: async () => {
      await askAllHow(CHAIN_STRAGGLER_MS);
      // By its newest answer: one that is away for a moment is set up well all the same.
      return watched.some(({ status }) => status?.chainId === chainId && status.isIndexing);
    },

    accountNumber: (address) => firstAnswer((node) => node.accountNumber(address)),
    findTx: (hash, sinceHeight) => firstAnswer((node) => node.findTx(hash, sinceHeight)),
    statefulOrder: (id, minHeight) => firstAnswer((node) => node.statefulOrder(id, minHeight)),
    blockRateLimits: () => firstAnswer((node) => node.blockRateLimits()),
    equityTiers: () => firstAnswer((node) => node.equityTiers()),
    authenticators: (owner) => firstAnswer((node) => node.authenticators(owner)),

    close: async () => {
      await Promise.all(nodes.map((node) => node.close()));
    },
  };

  function whyNobody(): string {
    return `no validator follows the chain: ${watched.map(describe).join('; ')}`;
  }

  function describe(seen: Watched): string {
    return whyUnhealthy(seen, expected()) ?? `${seen.host} has not answered yet`;
  }
}

function watch(node: ValidatorNode): Watched {
  return {
    node,
    host: node.host,
    status: undefined,
    failure: undefined,
    newestWhenAsked: undefined,
    latencyMs: undefined,
    question: undefined,
    told: { isHealthy: true, atMs: Number.NEGATIVE_INFINITY },
  };
}

function smooth(beforeMs: number | undefined, nowMs: number): number {
  return beforeMs === undefined ? nowMs : beforeMs + SMOOTHING * (nowMs - beforeMs);
}

/** Until all have ended, or the first good answer is stragglerMs old. @returns how many were answered by then */
async function untilEnough(questions: readonly Promise<boolean>[], stragglerMs: number): Promise<number> {
  const enough = Promise.withResolvers<void>();
  let timer: NodeJS.Timeout | undefined;
  let answers = 0;
  const count = (isAnswered: boolean) => {
    if (!isAnswered) return;
    answers += 1;
    timer ??= setTimeout(enough.resolve, stragglerMs);
  };
  void Promise.all(questions.map((question) => question.then(count))).then(() => enough.resolve());
  await enough.promise;
  clearTimeout(timer);
  return answers;
}
