// What shows of each scenario that it can fail: a router that handles its fault wrongly, and is scored for it.
import { END_SIGNED, MUTATIONS, type Mutation } from '../../support/mutations.ts';

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
  late_fill_is_not_taken: {
    what: 'a fill of an order that has ended is kept as unexplained',
    patches: [
      {
        file: 'src/core/reconcile.ts',
        find: '  const misfit = whyMisfit(fill, order);',
        replace: `  if (isFinal(order.status)) return { kind: 'misfit_fill', reason: 'it has ended' };
  const misfit = whyMisfit(fill, order);`,
      },
    ],
  },
  socket_is_trusted: {
    what: 'what the websocket does not tell has not happened',
    patches: [
      {
        file: 'src/store/cursors.ts',
        find: 'WHERE due_at <= clock_timestamp() OR has_dead OR is_nudged OR (has_active AND idle_passes > 0)',
        replace: 'WHERE is_nudged OR NOT EXISTS (SELECT FROM order_fills)',
      },
      {
        file: 'src/venue/indexer-socket.ts',
        find: 'if (message_id !== expected) options.onGap([...followed.values()]);',
        replace: 'void expected;',
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
  lag_is_not_believed: {
    what: 'the indexer is taken to be 50 blocks further than it says, as far as the nodes are',
    patches: [
      {
        file: 'src/venue/indexer.ts',
        find: "height: async () => (await get('/v4/height', HEIGHT)).height,",
        replace: "height: async () => (await get('/v4/height', HEIGHT)).height + 50,",
      },
    ],
  },
  failed_job_is_done: {
    what: 'a job whose statement failed is taken as done',
    patches: [
      {
        file: 'src/runtime/orders-jobs.ts',
        find: '  await place(deps, placeJobOf(job));',
        replace: '  await place(deps, placeJobOf(job)).catch(() => {});',
      },
    ],
  },
  sweep_wakes_nobody: {
    what: 'of rows that are due without a job nobody is told',
    patches: [
      {
        file: 'src/runtime/timers.ts',
        find: '        if (!hasDue) return;',
        replace: '        if (!hasDue || hasDue) return;',
      },
    ],
  },
  unstorable_fails_batch: {
    what: 'what no database takes is let in, and fails all that share its statement',
    patches: [
      ...MUTATIONS.poison_fails_batch.patches,
      {
        file: 'src/core/intent.ts',
        find: 'client_id: text(255)',
        replace: 'client_id: text(1_000)',
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
  repeat_refusal_is_final: {
    what: 'a refusal in answer to a repeat is taken for that of the order',
    patches: [
      {
        file: 'src/core/answers.ts',
        find: "  5001: 'deferred', // BlockRateLimitExceeded",
        replace: "  5001: 'refused', // BlockRateLimitExceeded",
      },
      {
        file: 'src/core/answers.ts',
        find: "  2001: 'refused_by_self', // ReduceOnly",
        replace: "  2001: 'refused', // ReduceOnly",
      },
      {
        file: 'src/core/answers.ts',
        find: "return { outcome: 'refused', isRejection: isFirst };",
        replace: "return { outcome: 'refused', isRejection: true };",
      },
      {
        file: 'src/store/outcomes.ts',
        find: "WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN 'REJECTED'",
        replace: "WHEN o.status = 'PENDING' AND j.is_refused THEN 'REJECTED'",
      },
      {
        file: 'src/store/outcomes.ts',
        find: "WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN concat_ws(",
        replace: "WHEN o.status = 'PENDING' AND j.is_refused THEN concat_ws(",
      },
      {
        file: 'src/store/outcomes.ts',
        find: "WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN j.rejection",
        replace: "WHEN o.status = 'PENDING' AND j.is_refused THEN j.rejection",
      },
      {
        file: 'src/store/outcomes.ts',
        find: "WHEN o.status = 'PENDING' AND j.is_refused AND o.retry_count = 0 THEN NULL",
        replace: "WHEN o.status = 'PENDING' AND j.is_refused THEN NULL",
      },
    ],
    sql: ['ALTER TABLE orders DROP CONSTRAINT orders_refused_was_sent_once'],
  },
  stateful_cancel_is_final: {
    what: 'a stateful order whose cancel a node has taken is called CANCELLED at once',
    patches: [
      {
        file: 'src/app/cancel.ts',
        find: "import { laterForRate, takeStamp } from './first-attempt.ts';",
        replace:
          "import { laterForRate, takeStamp } from './first-attempt.ts';\nimport { endUnsent } from './submit.ts';",
      },
      {
        file: 'src/app/cancel.ts',
        find: '  // These bytes left once and no node has kept them: the nonce is in doubt no more.\n',
        replace: "  if (outcome === 'accepted') await endUnsent(deps, order.id, 'CANCELLED', 'cancelled');\n",
      },
      ...END_SIGNED.patches,
    ],
    sql: END_SIGNED.sql,
  },
  nonces_are_not_unique: {
    what: "every order is signed with the newest block's time",
    patches: [],
    sql: [
      'DROP INDEX orders_one_nonce',
      `CREATE OR REPLACE FUNCTION take_nonces(of_owner VARCHAR, block_time_ms BIGINT, wanted INTEGER,
        is_for_cancel BOOLEAN) RETURNS SETOF BIGINT LANGUAGE sql AS 'SELECT block_time_ms'`,
    ],
  },
  clock_is_not_checked: {
    what: 'blocks that lie in the future by the clock of a process are believed by it',
    patches: [
      {
        file: 'src/venue/witness.ts',
        find: 'if (aheadMs <= MAX_AHEAD_MS) return undefined;',
        replace: 'if (aheadMs <= 1_000 * MAX_AHEAD_MS) return undefined;',
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
