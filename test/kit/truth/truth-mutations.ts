// What shows of each scenario that it can fail: a router that handles its fault wrongly, and is scored for it.
import { MUTATIONS, type Mutation } from '../../support/mutations.ts';

const [CANCEL_IMPORT, , END_SIGNED] = MUTATIONS.best_effort_canceled_is_final.patches;

/** Beside those that the simulation meets, too. */
const MORE = {
  nonce_is_block_time: {
    what: 'all stateful orders of a block are signed with the same nonce',
    patches: [
      {
        file: 'src/app/first-attempt.ts',
        find: 'return nonce === undefined ? undefined : { nonce, memo: memoOf(attempt) };',
        replace:
          'return nonce === undefined ? undefined : { nonce: blockTime.getTime(), memo: memoOf(attempt) };',
      },
    ],
  },
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
  job_is_the_work: {
    what: 'a recorded order whose job is gone is nobody’s work',
    patches: [
      {
        file: 'src/runtime/timers.ts',
        find: '        if (!hasDue) return;',
        replace: '        if (hasDue || !hasDue) return;',
      },
    ],
  },
  failed_job_is_over: {
    what: 'a job that the database was not there for is not tried again',
    patches: [
      {
        file: 'src/runtime/orders-jobs.ts',
        find: '  await place(deps, placeJobOf(job));',
        replace: '  await place(deps, placeJobOf(job)).catch(() => {});',
      },
      {
        file: 'src/runtime/timers.ts',
        find: '        if (!hasDue) return;',
        replace: '        if (hasDue || !hasDue) return;',
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
  refusal_of_repeat_is_final: {
    what: 'a repeat that is refused, because of the fill before, is a rejection',
    patches: [
      {
        file: 'src/core/answers.ts',
        find: "    case 'refused_by_self':\n      return { outcome: 'refused', isRejection: false };",
        replace: "    case 'refused_by_self':\n      return { outcome: 'refused', isRejection: true };",
      },
    ],
  },
  ids_from_one: {
    what: 'the ids of every database begin at the same number',
    patches: [],
    sql: ["SELECT setval('dydx_client_id_blocks', 1000)"],
  },
  cancel_answer_is_final: {
    what: 'an order, of whatever kind, is called CANCELLED when a node has taken its cancel',
    patches: [
      CANCEL_IMPORT,
      {
        file: 'src/app/cancel.ts',
        find: '  deps.telemetry.cancelAnswered(verdict.outcome);',
        replace: `  deps.telemetry.cancelAnswered(verdict.outcome);
  if (verdict.outcome === 'accepted')
    for (const { id } of orders) await endUnsent(deps, id, 'CANCELLED', 'cancelled');`,
      },
      END_SIGNED,
    ],
    sql: MUTATIONS.best_effort_canceled_is_final.sql,
  },
  chain_clock_ignored: {
    what: "nonces follow the machine's clock, however far it is from the chain's",
    patches: [
      ...MUTATIONS.machine_clock_nonces.patches,
      {
        file: 'src/runtime/venue.ts',
        find: 'HEIGHT_MAX_AGE_MS = 15_000',
        replace: 'HEIGHT_MAX_AGE_MS = 900_000',
      },
    ],
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
