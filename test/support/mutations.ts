// Wrong handling of one fault each, as changes of the source: a kit that cannot tell the router from one of these proves
// nothing. Read by mutate.ts in the process that is to be wrong, and by the tests of the kit.

export type Mutation = {
  /** what the router does wrong then */
  readonly what: string;
  /** `find` occurs exactly once in the file, path from the repository's root */
  readonly patches: readonly { readonly file: string; readonly find: string; readonly replace: string }[];
  /** Run on the migrated database: what would also stop it there. */
  readonly sql?: readonly string[];
};

/** Ends a signed order as if it had never been signed. */
export const END_SIGNED = {
  patches: [
    {
      file: 'src/store/outcomes.ts',
      find: "AND o.status = 'PENDING' AND o.attempt_count = 0",
      replace: "AND o.status IN ('PENDING', 'OPEN', 'PARTIALLY_FILLED')",
    },
  ],
  sql: ['ALTER TABLE orders DROP CONSTRAINT orders_never_sent_is_unsigned'],
};

export const MUTATIONS = {
  new_client_id_on_retry: {
    what: 'what may have been lost is sent again as another order',
    patches: [
      {
        file: 'src/core/plan.ts',
        find: '    id: signedId(content),\n    side: content.side,',
        replace:
          '    id: { ...signedId(content), clientId: (content.clientId + 500) % 2 ** 32 },\n    side: content.side,',
      },
      {
        file: 'src/core/wake.ts',
        find: "return { action: order.held === undefined ? 'resend' : 'wait' };",
        replace: "return { action: 'resign', goodTilBlock: attempt.goodTilBlock + 1 };",
      },
      {
        file: 'src/store/attempts.ts',
        find: `
            AND (d.order_id, d.owner, d.dydx_client_id, d.clob_pair_id, d.order_flags, d.quantums, d.subticks,
              d.trigger_subticks) IS NOT DISTINCT FROM (o.order_id, o.owner, o.dydx_client_id, o.clob_pair_id,
              o.order_flags, o.quantums, o.subticks, o.trigger_subticks)`,
        replace: '',
      },
    ],
    sql: ['DROP TRIGGER refuse_other_identity ON orders'],
  },
  new_nonce_on_resign: {
    what: 'a stateful order in doubt is signed with another nonce before the first one is dead',
    patches: [
      {
        file: 'src/app/stateful.ts',
        find: "const isNew = action === 'sign';",
        replace: 'const isNew = true;',
      },
      {
        file: 'src/core/stateful.ts',
        find: "return { action: leftMs > 0 ? 'resend' : 'look_again' };",
        replace: "return { action: 'resign' };",
      },
      {
        file: 'src/store/attempts.ts',
        find: 'AND CASE WHEN o.dead_nonce = o.nonce THEN d.nonce > o.nonce ELSE d.nonce = o.nonce END',
        replace: 'AND d.nonce >= o.nonce',
      },
    ],
    sql: ['DROP TRIGGER refuse_second_nonce ON orders'],
  },
  best_effort_canceled_is_final: {
    what: 'an order whose cancel a node has taken is called CANCELLED at once',
    patches: [
      {
        file: 'src/app/cancel.ts',
        find: "import { laterForRate, takeStamp } from './first-attempt.ts';",
        replace:
          "import { laterForRate, takeStamp } from './first-attempt.ts';\nimport { endUnsent } from './submit.ts';",
      },
      {
        file: 'src/app/cancel.ts',
        find: "  return outcome === 'doubt' || outcome === 'deferred' ? retry : { kind: 'await_proof' };",
        replace: `  if (outcome === 'accepted') for (const { id } of orders) await endUnsent(deps, id, 'CANCELLED', 'cancelled');
  return outcome === 'doubt' || outcome === 'deferred' ? retry : { kind: 'await_proof' };`,
      },
      ...END_SIGNED.patches,
    ],
    sql: END_SIGNED.sql,
  },
  absence_is_final: {
    what: 'an order in doubt that the indexer does not know is called EXPIRED',
    patches: [
      {
        file: 'src/app/wake.ts',
        find: '  const due = dueOrder(deps, order);\n',
        replace: `  if (order.orderUuid !== null && !(await deps.indexer.hasOrder(order.orderUuid))) {
    await endUnsent(deps, order.id, 'EXPIRED', 'the indexer does not know it');
    return DONE;
  }
  const due = dueOrder(deps, order);
`,
      },
      ...END_SIGNED.patches,
    ],
    sql: END_SIGNED.sql,
  },
  window_rule_skipped: {
    what: 'an order is signed again beyond its first good-til-block + 40, where the venue has forgotten its fills',
    patches: [
      {
        file: 'src/core/wake.ts',
        find: 'const last = firstGoodTilBlock + context.resignWindowBlocks;',
        replace: 'const last = firstGoodTilBlock + 1_000_000;',
      },
      {
        file: 'src/store/attempts.ts',
        find: 'd.good_til_block <= o.first_good_til_block +',
        replace: 'd.good_til_block <= o.first_good_til_block + 1000000 +',
      },
    ],
    sql: ['ALTER TABLE orders DROP CONSTRAINT orders_good_til_block_window'],
  },
  attempt_stored_after_send: {
    what: 'the bytes leave before anything of the order is stored',
    patches: [
      {
        file: 'src/app/submit.ts',
        find: '  let recorded: Recorded;\n',
        replace: `  const answer = attempt === undefined ? undefined : await deps.validator.broadcast(attempt.tx.bytes);
  let recorded: Recorded;
`,
      },
      {
        file: 'src/app/submit.ts',
        find: '    await transmit(deps, {\n',
        replace:
          '    await transmit({ ...deps, validator: { ...deps.validator, broadcast: async () => answer } }, {\n',
      },
    ],
  },
  fills_in_one_update: {
    what: 'all fills of an order that one report brings are applied as one',
    patches: [
      {
        file: 'src/store/reconciling.ts',
        find: `  for (let step = 0; ; step++) {
    const wave = bookings.filter((booking) => booking.step === step);
    if (wave.length === 0) return;
    await applyChanges(trx, wave);
  }`,
        replace: `  const firsts = new Map(bookings.filter(({ step }) => step === 0).map((booking) => [booking.order.id, booking]));
  const lasts = new Map(bookings.map((booking) => [booking.order.id, booking]));
  await applyChanges(trx, [...lasts.values()].map((last) => ({ ...last, order: firsts.get(last.order.id).order })));`,
      },
    ],
  },
  fill_counted_twice: {
    what: 'a fill that is reported again is added again',
    patches: [
      {
        file: 'src/store/reconciling.ts',
        find: 'return fills.filter((fill) => !seen.has(fill.id) && seen.add(fill.id));',
        replace: 'return [...fills];',
      },
      {
        file: 'src/store/reconciling.ts',
        find: "rowsAs('d', columns, rows)}`.execute(trx);",
        replace: "rowsAs('d', columns, rows)} ON CONFLICT (id) DO NOTHING`.execute(trx);",
      },
    ],
  },
  silence_is_rejection: {
    what: 'a node that does not answer is taken to have refused the order',
    patches: [
      {
        file: 'src/core/answers.ts',
        find: "return { outcome: 'doubt', isRejection: false, codespace: null, code: null, log: answer.reason };",
        replace:
          "return { outcome: 'refused', isRejection: transmissions <= 1, codespace: 'sdk', code: 18, log: answer.reason };",
      },
    ],
  },
  settled_too_early: {
    what: 'an order is called dead one block before its good-til-block',
    patches: [
      {
        file: 'src/core/reconcile.ts',
        find: 'deadFrom + report.marginBlocks <= report.height',
        replace: 'deadFrom - 1 <= report.height',
      },
      {
        file: 'src/store/reconciling.ts',
        find: 'report.height === undefined ? -1 : report.height - marginBlocks',
        replace: 'report.height === undefined ? -1 : report.height + 1',
      },
      {
        file: 'src/store/reconciling.ts',
        find: 'coalesce(o.good_til_block, o.dead_height) <= d.height)',
        replace: 'coalesce(o.good_til_block, o.dead_height) <= d.height + 1)',
      },
    ],
    sql: ['ALTER TABLE orders DROP CONSTRAINT orders_dead_by_block'],
  },
  no_settle_margin: {
    what: 'a height that is shown a block before its fills is believed',
    patches: [
      {
        file: 'src/app/reconcile.ts',
        find: 'height - deps.marginBlocks',
        replace: 'height',
      },
      {
        file: 'src/core/reconcile.ts',
        find: 'deadFrom + report.marginBlocks <= report.height',
        replace: 'deadFrom <= report.height',
      },
      {
        file: 'src/store/reconciling.ts',
        find: 'report.height === undefined ? -1 : report.height - marginBlocks',
        replace: 'report.height === undefined ? -1 : report.height',
      },
    ],
  },
  machine_clock_nonces: {
    what: "nonces follow the machine's clock, not the chain's",
    patches: [
      {
        file: 'src/app/first-attempt.ts',
        find: "takeStamp(deps, owner, block.time, 'place', 1)",
        replace: "takeStamp(deps, owner, deps.now(), 'place', 1)",
      },
      {
        file: 'src/app/stateful.ts',
        find: "takeStamp(deps, signer.owner, block.time, 'place', attempt)",
        replace: "takeStamp(deps, signer.owner, deps.now(), 'place', attempt)",
      },
    ],
  },
  poison_fails_batch: {
    what: 'one intent that cannot be stored fails all that share its statement',
    patches: [
      {
        file: 'src/store/batcher.ts',
        find: 'if (part.length === 1 || !isDataError(error)) {',
        replace: 'if (part.length === 1 || isDataError(error) || !isDataError(error)) {',
      },
    ],
  },
  cursor_before_fills: {
    what: 'how far fills were read is committed before they are booked',
    patches: [
      {
        file: 'src/store/reconciling.ts',
        find: `  return db.transaction().execute(async (trx) => {
    if (!(await lockCursor(trx, read.cursor))) return undefined;`,
        replace: `  const isMoved = await db
    .transaction()
    .execute(async (trx) => (await lockCursor(trx, read.cursor)) && (await moveCursor(trx, read.cursor, read, read.height)) !== undefined);
  if (!isMoved) return undefined;
  return db.transaction().execute(async (trx) => {`,
      },
    ],
  },
  duplicate_job_is_new_order: {
    what: 'a job that is delivered twice becomes two orders',
    patches: [
      {
        file: 'src/store/recording.ts',
        find: 'intent_hash = excluded.intent_hash WHERE k.order_id IS NULL',
        replace: 'intent_hash = excluded.intent_hash',
      },
    ],
    sql: ['DROP TRIGGER refuse_other_order ON order_keys'],
  },
} as const satisfies Record<string, Mutation>;

export type MutationName = keyof typeof MUTATIONS;

/** Throws when a text is not there exactly once: a mutation that changes nothing would be caught by nothing. */
export function mutate(name: MutationName, file: string, source: string): string {
  const { patches }: Mutation = MUTATIONS[name];
  return patched(name, patches, file, source);
}

/** The source with those patches of the file. Throws when a text is not there exactly once. */
export function patched(name: string, patches: Mutation['patches'], file: string, source: string): string {
  let text = source;
  for (const { find, replace } of patches.filter((patch) => patch.file === file)) {
    const parts = text.split(find);
    if (parts.length !== 2) {
      throw new Error(`mutation ${name}: ${file} holds this ${parts.length - 1} times, not once: ${find}`);
    }
    text = parts.join(replace);
  }
  return text;
}

/** For a process of node that is to be wrong in this way. */
export function mutationEnvironment(name: MutationName): {
  readonly NODE_OPTIONS: string;
  readonly MUTATION: MutationName;
} {
  return { NODE_OPTIONS: `--import=${new URL('mutate.ts', import.meta.url).href}`, MUTATION: name };
}
