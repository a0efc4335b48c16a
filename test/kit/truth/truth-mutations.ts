// What shows of each scenario that it can fail: a router that handles its fault wrongly, and is scored for it.
import { MUTATIONS, type Mutation } from '../../support/mutations.ts';

/** Beside those that the simulation meets, too. */
const MORE = {
  list_ends_at_1000: {
    what: 'of fills no more than 1,000 are asked for',
    patches: [
      {
        file: 'src/venue/indexer.ts',
        find: 'return checkPage(answer, path, page, limit);',
        replace: `const told = checkPage(answer, path, page, limit);
      const known = Math.max(0, 1_000 - (page - 1) * limit);
      return { ...told, fills: told.fills.slice(0, known), totalResults: Math.min(told.totalResults, 1_000) };`,
      },
    ],
  },
  nonce_refusal_is_final: {
    what: 'an order whose nonce was refused is called REJECTED',
    patches: [
      {
        file: 'src/core/answers.ts',
        find: "  32: 'refused_by_self', // wrong sequence",
        replace: "  32: 'refused', // wrong sequence",
      },
    ],
  },
  time_counts_from_now: {
    what: 'how long an order may wait is counted from when it is found',
    patches: [
      {
        file: 'src/core/intent.ts',
        find: 'return new Date(enqueuedAt.getTime() +',
        replace: 'return new Date(Date.now() +',
      },
    ],
  },
  ids_from_one: {
    what: 'the ids of every database begin at the same number',
    patches: [],
    sql: ["SELECT setval('dydx_client_id_blocks', 1000)"],
  },
} as const satisfies Record<string, Mutation>;

const TRUTH_MUTATIONS = { ...MUTATIONS, ...MORE };
export type TruthMutation = keyof typeof TRUTH_MUTATIONS;

export function patchesOf(name: TruthMutation): Mutation['patches'] {
  return TRUTH_MUTATIONS[name].patches;
}

/** For runScenario. */
export function wrongRouter(name: TruthMutation) {
  const { sql = [] }: Mutation = TRUTH_MUTATIONS[name];
  const preload = new URL('mutate-truth.ts', import.meta.url);
  preload.searchParams.set('name', name);
  return { env: { NODE_OPTIONS: `--import=${preload.href}` }, sql };
}
