// What the reconciler ends of stateful orders can be proven from the stored rows alone: each cause of death, and for
// each whatever would make it a wrong one.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Fill } from '../../src/core/ports.ts';
import {
  type Death,
  type ProvenAttempt,
  type ProvenOrder,
  type Resolution,
  whyUnproven,
} from '../../src/core/proof.ts';
import { type OrderFacts, reconcile } from '../../src/core/reconcile.ts';
import { type OrderStatus, STATUSES } from '../../src/core/status.ts';
import { fillOf, identityOf, statefulAttempt, statefulFacts } from './builders.ts';
import { ended, type StoredOrder } from './stored-order.ts';

const why = ({ order, attempts, fills }: StoredOrder) => whyUnproven(order, attempts, fills);

const NONCE = 1_772_600_000_000;
const GOOD_TIL = new Date(NONCE + 3_600_000);
/** A block past the window of the nonce, and one past that of the next. */
const ABSENT = { height: 104, time: new Date(NONCE + 30_001) };
const ABSENT_TOO = { height: 108, time: new Date(NONCE + 100_000) };
const FIRST = Uint8Array.of(1);
const SECOND = Uint8Array.of(2);

const EXPIRED: Death = { cause: 'expired', height: 108, block_time_ms: GOOD_TIL.getTime() };
const REMOVED: Death = { cause: 'removed', height: 108 };
const NEVER: Death = { cause: 'never_included', height: 108, block_time_ms: NONCE + 100_000 };
const failedAt = ({ txHash, included }: ProvenAttempt): Extract<Death, { cause: 'failed' }> => ({
  cause: 'failed',
  height: included?.height ?? 0,
  tx_hash: txHash,
  codespace: 'clob',
  code: 3007,
  log: 'not enough collateral',
});

const carriedOut = statefulAttempt({ txBytes: FIRST, included: { height: 102, code: 0 } });
const failed = statefulAttempt({ txBytes: FIRST, included: { height: 102, code: 3007 } });
const lost = statefulAttempt({ txBytes: FIRST, absent: ABSENT });
/** Another nonce, taken after the first was shown dead. */
const again = { txBytes: SECOND, nonce: NONCE + 60_000, signedHeight: 105 };
const lostAgain = statefulAttempt({ ...again, absent: ABSENT_TOO });
const failedAgain = statefulAttempt({ ...again, included: { height: 106, code: 3007 } });
/** On chain, refused before its nonce was taken: that says no less than absence. */
const refusedOnChain = statefulAttempt({ txBytes: FIRST, included: { height: 102, code: 32 } });
/** The same nonce with another memo. */
const sibling = { txBytes: Uint8Array.of(3), signedHeight: 101 };
const refusedNonce = { outcome: 'refused', codespace: 'sdk', code: 32, transmissions: 2 } as const;
/** Refused in a block before its message: the nonce is left to a sibling. */
const noFee = statefulAttempt({ txBytes: FIRST, included: { height: 102, code: 5 } });
const BEFORE_MESSAGE: Death = { ...failedAt(noFee), codespace: 'sdk', code: 5, log: 'insufficient funds' };
const nonceRefusal = { codespace: 'sdk', code: 32, log: 'account sequence mismatch' };

type Changes = Partial<OrderFacts>;
const IOC: Changes = { timeInForce: 'IOC', type: 'STOP_MARKET' };
const CANCELLED: Changes = { isCancelRequested: true };

/** @param sizes of its fills, in block 105 */
function ends(changes: Changes, attempts: readonly ProvenAttempt[], ...sizes: string[]): StoredOrder {
  const facts = statefulFacts(changes);
  const fills = sizes.map((size) => fillOf(facts, { size }));
  return ended(facts, fills, attempts, 112, GOOD_TIL);
}

const CASES: Readonly<Record<string, readonly [OrderStatus, string, StoredOrder]>> = {
  filled: ['FILLED', 'completely filled', ends({}, [carriedOut], '4', '6')],
  'filled before it was removed': [
    'FILLED',
    'completely filled',
    ends({ death: REMOVED }, [carriedOut], '10'),
  ],
  'removed from the chain': ['CANCELLED', 'removed_by_venue', ends({ death: REMOVED }, [carriedOut])],
  'removed with a fill': ['CANCELLED', 'removed_by_venue', ends({ death: REMOVED }, [carriedOut], '4')],
  'removed, an IOC without a fill': [
    'CANCELLED',
    'ioc_no_match',
    ends({ ...IOC, death: REMOVED }, [carriedOut]),
  ],
  'removed, an IOC with a fill': [
    'CANCELLED',
    'ioc_remainder',
    ends({ ...IOC, death: REMOVED }, [carriedOut], '4'),
  ],
  'removed after a cancel': [
    'CANCELLED',
    'cancelled',
    ends({ ...CANCELLED, death: REMOVED }, [carriedOut], '4'),
  ],
  'removed, and refused when it was sent once more': [
    'CANCELLED',
    'removed_by_venue',
    ends({ death: REMOVED, refusal: nonceRefusal }, [{ ...carriedOut, ...refusedNonce }]),
  ],
  'past its time': ['EXPIRED', 'good_til_time reached', ends({ death: EXPIRED }, [carriedOut])],
  'past its time with a fill': [
    'EXPIRED',
    'good_til_time reached',
    ends({ death: EXPIRED }, [carriedOut], '4'),
  ],
  'past its time, a stop that was never triggered': [
    'EXPIRED',
    'good_til_time reached',
    ends({ ...IOC, death: EXPIRED }, [carriedOut]),
  ],
  'past its time in doubt': [
    'EXPIRED',
    'good_til_time reached',
    ends({ death: EXPIRED }, [statefulAttempt({ outcome: 'doubt', code: null })]),
  ],
  'past its time after a cancel': [
    'CANCELLED',
    'cancelled',
    ends({ ...CANCELLED, death: EXPIRED }, [carriedOut]),
  ],
  'failed in its block': ['REJECTED', 'clob/3007', ends({ death: failedAt(failed) }, [failed])],
  'failed in its block, an IOC': [
    'REJECTED',
    'clob/3007',
    ends({ ...IOC, death: failedAt(failed) }, [failed]),
  ],
  'failed in its block with its second nonce': [
    'REJECTED',
    'clob/3007',
    ends({ death: failedAt(failedAgain) }, [lost, failedAgain]),
  ],
  'failed in its block after a cancel': [
    'CANCELLED',
    'cancelled',
    ends({ ...CANCELLED, death: failedAt(failed) }, [failed]),
  ],
  'never on chain': ['EXPIRED', 'never on chain', ends({ death: NEVER }, [lost])],
  'never on chain with two nonces': ['EXPIRED', 'never on chain', ends({ death: NEVER }, [lost, lostAgain])],
  'failed in its block with its second nonce, after the first was refused on chain': [
    'REJECTED',
    'clob/3007',
    ends({ death: failedAt(failedAgain) }, [refusedOnChain, failedAgain]),
  ],
  'failed in its block, after a sibling was refused on chain': [
    'REJECTED',
    'clob/3007',
    ends({ death: failedAt(failed) }, [
      failed,
      statefulAttempt({ ...sibling, included: { height: 102, code: 32 } }),
    ]),
  ],
  'failed in its block before its message, its sibling never there': [
    'REJECTED',
    'sdk/5',
    ends({ death: BEFORE_MESSAGE }, [noFee, statefulAttempt({ ...sibling, absent: ABSENT })]),
  ],
  'removed, with a second nonce after the first was refused on chain': [
    'CANCELLED',
    'removed_by_venue',
    ends({ death: REMOVED }, [
      refusedOnChain,
      statefulAttempt({ ...again, included: { height: 106, code: 0 } }),
    ]),
  ],
  'refused on chain, and not wanted any more': [
    'EXPIRED',
    'never on chain',
    ends({ death: NEVER }, [refusedOnChain]),
  ],
  'refused on chain, its sibling never there': [
    'EXPIRED',
    'never on chain',
    ends({ death: NEVER }, [refusedOnChain, statefulAttempt({ ...sibling, absent: ABSENT })]),
  ],
  'refused on chain, its second nonce never there': [
    'EXPIRED',
    'never on chain',
    ends({ death: NEVER }, [refusedOnChain, lostAgain]),
  ],
  'refused on chain with both of its nonces, after a cancel': [
    'CANCELLED',
    'cancelled',
    ends({ ...CANCELLED, death: NEVER }, [refusedOnChain, failedAgain]),
  ],
  'never on chain, an IOC': ['EXPIRED', 'never on chain', ends({ ...IOC, death: NEVER }, [lost])],
  'never on chain after a cancel': ['CANCELLED', 'cancelled', ends({ ...CANCELLED, death: NEVER }, [lost])],
  'never on chain, its nonce refused': [
    'REJECTED',
    'sdk/32',
    ends({ death: NEVER, refusal: nonceRefusal }, [{ ...lost, ...refusedNonce }]),
  ],
  'never on chain, its second nonce refused': [
    'REJECTED',
    'sdk/32',
    ends({ death: NEVER, refusal: nonceRefusal }, [
      { ...lost, outcome: 'doubt', code: null },
      { ...lostAgain, ...refusedNonce },
    ]),
  ],
  'never on chain, refused with a code that says nothing of an earlier delivery': [
    'EXPIRED',
    'never on chain',
    ends({ death: NEVER, refusal: { codespace: 'clob', code: 12, log: '' } }, [
      { ...lost, outcome: 'refused', codespace: 'clob', code: 12, transmissions: 2 },
    ]),
  ],
};

describe('what the reconciler ended is proven', () => {
  for (const [name, [status, reason, rows]] of Object.entries(CASES)) {
    test(`${status}, ${reason}: ${name}`, () => {
      expect([rows.order.status, rows.order.statusReason]).toEqual([status, reason]);
      expect(why(rows)).toBeUndefined();
    });
  }

  test('whatever was signed, answered, found, cancelled and filled', () => {
    const outcomes = fc.constantFrom(
      { outcome: 'accepted', codespace: null, code: 0 },
      { outcome: 'doubt', codespace: null, code: null },
      refusedNonce,
      { outcome: 'refused', codespace: 'clob', code: 3005 },
    );
    const rows = fc.record({
      cause: fc.constantFrom('expired', 'removed', 'failed', 'never_included'),
      answers: fc.array(outcomes, { minLength: 1, maxLength: 2 }),
      timeInForce: fc.constantFrom('GTT' as const, 'IOC' as const),
      isCancelRequested: fc.boolean(),
      size: fc.integer({ min: 1, max: 12 }),
      sizes: fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
      height: fc.integer({ min: 112, max: 500 }),
    });
    fc.assert(
      fc.property(rows, ({ cause, answers, size, sizes, height, ...rest }) => {
        const last = { removed: carriedOut, failed, expired: lost, never_included: lost }[cause];
        const attempts = answers.map((answer, index) =>
          index < answers.length - 1
            ? { ...statefulAttempt({ txBytes: SECOND, nonce: NONCE - 60_000, absent: ABSENT }), ...answer }
            : { ...last, ...answer },
        );
        const deaths = {
          removed: REMOVED,
          failed: failedAt(failed),
          expired: EXPIRED,
          never_included: NEVER,
        };
        const isTaken = answers.some(({ outcome }) => outcome === 'accepted');
        const refused = answers.findLast(({ outcome }) => outcome === 'refused');
        const facts = statefulFacts({
          ...rest,
          size: `${size}`,
          death: deaths[cause],
          refusal:
            isTaken || typeof refused?.codespace !== 'string'
              ? undefined
              : { codespace: refused.codespace, code: refused.code, log: '' },
        });
        // Only an order that the chain has had can fill.
        const filled = cause === 'removed' || (cause === 'expired' && isTaken) ? sizes : [];
        const fills = filled.map((each) => fillOf(facts, { size: `${each}` }));
        expect(why(ended(facts, fills, attempts, height, GOOD_TIL))).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });
});

type Mutation = (rows: StoredOrder) => StoredOrder | undefined;
const withOrder =
  (changes: Partial<ProvenOrder>): Mutation =>
  (rows) => ({ ...rows, order: { ...rows.order, ...changes } });
const withThe =
  (isMeant: (attempt: ProvenAttempt) => boolean, changes: Partial<ProvenAttempt>): Mutation =>
  (rows) => {
    const meant = rows.attempts.find(isMeant);
    if (meant === undefined) return undefined;
    const attempts = rows.attempts.map((each) => (each === meant ? { ...each, ...changes } : each));
    return { ...rows, attempts };
  };
const withFirst = (changes: Partial<ProvenAttempt>) => withThe(() => true, changes);
/** Of the first one that is on no block. */
const withLost = (changes: Partial<ProvenAttempt>) => withThe(({ absent }) => absent !== undefined, changes);
const withCarriedOut = (changes: Partial<ProvenAttempt>) =>
  withThe(({ included }) => included?.code === 0, changes);
/** Of one that another nonce came after. */
const withEarlier =
  (changes: Partial<ProvenAttempt>): Mutation =>
  (rows) => {
    const last = Math.max(...rows.attempts.map(({ nonce }) => nonce ?? 0));
    return withThe(({ nonce }) => nonce !== null && nonce < last, changes)(rows);
  };
const withEvidence =
  (change: (resolution: Resolution & { rule: 'dead' }) => Resolution): Mutation =>
  (rows) => {
    const { resolution } = rows.order;
    return resolution?.rule === 'dead' ? withOrder({ resolution: change(resolution) })(rows) : undefined;
  };
/** Of the deaths with that cause. */
const ofCause =
  (cause: Death['cause'], mutate: Mutation): Mutation =>
  (rows) =>
    rows.order.resolution?.rule === 'dead' && rows.order.resolution.death?.cause === cause
      ? mutate(rows)
      : undefined;
const withDeath = (cause: Death['cause'], changes: Partial<Death>): Mutation =>
  ofCause(
    cause,
    withEvidence((evidence) => ({ ...evidence, death: { ...evidence.death, ...changes } as Death })),
  );
/** A fill that the evidence counts. */
const withKnownFill: Mutation = (rows) => {
  const counted = withEvidence((evidence) => ({ ...evidence, fills: 1 }))(rows);
  return (
    counted && {
      ...counted,
      order: { ...counted.order, filledSize: '1' },
      fills: [{ size: '1', height: 105 }],
    }
  );
};
const hasFills =
  (mutate: Mutation): Mutation =>
  (rows) =>
    rows.fills.length > 0 ? mutate(rows) : undefined;

describe('a single change of the rows is found:', () => {
  const MUTATIONS: Readonly<Record<string, Mutation>> = {
    'a fill removed': hasFills((rows) => ({ ...rows, fills: rows.fills.slice(1) })),
    'a fill added': (rows) => ({ ...rows, fills: [...rows.fills, { size: '1', height: 105 }] }),
    'a fill moved before the first signature': hasFills((rows) => ({
      ...rows,
      fills: rows.fills.map((fill) => ({ ...fill, height: 99 })),
    })),
    'the evidence of a fill more than there is': withEvidence((evidence) => ({
      ...evidence,
      fills: evidence.fills + 1,
    })),
    'the filled size changed': withOrder({ filledSize: '0.5' }),
    'the bytes changed': withFirst({ txBytes: Uint8Array.of(9) }),
    'the hash changed': withFirst({ txHash: 'A'.repeat(64) }),
    'the order UUID': withOrder({ orderUuid: 'ffffffff-ffff-5fff-8fff-ffffffffffff' }),
    'the identity': withOrder({ identity: identityOf(2, 64) }),
    'the identity of another class': withOrder({ identity: identityOf(1, 32) }),
    'every attempt removed': (rows) => ({ ...rows, attempts: [] }),
    'the resolution removed': withOrder({ resolution: null }),
    'a good-til-block on the order': withOrder({ goodTilBlock: 110 }),
    'a good-til-block on an attempt': withFirst({ goodTilBlock: 110 }),
    'the death removed from the evidence': withEvidence(({ death: _, ...rest }) => rest),
    'the evidence older than the death': withEvidence((evidence) => ({
      ...evidence,
      height: (evidence.death?.height ?? 0) - 1,
    })),
    'the size no larger than what was filled': hasFills((rows) =>
      rows.order.status === 'FILLED' ? undefined : withOrder({ size: rows.order.filledSize })(rows),
    ),

    'expired a millisecond before its time': withDeath('expired', { block_time_ms: GOOD_TIL.getTime() - 1 }),
    'expired, with a later good_til_time on the order': ofCause(
      'expired',
      withOrder({ goodTilTime: new Date(GOOD_TIL.getTime() + 1) }),
    ),
    'expired without any good_til_time': ofCause('expired', withOrder({ goodTilTime: null })),

    'removed without inclusion': ofCause('removed', withCarriedOut({ included: undefined })),
    'removed before its inclusion': withDeath('removed', { height: 101 }),
    'removed after a transaction that failed': ofCause(
      'removed',
      withCarriedOut({ included: { height: 102, code: 3007 } }),
    ),

    'failed, with another transaction': withDeath('failed', { tx_hash: 'B'.repeat(64) }),
    'failed, with another code': withDeath('failed', { code: 3006 }),
    'failed, in another block': withDeath('failed', { height: 103 }),
    'failed, and nothing is on chain': ofCause('failed', (rows) => ({
      ...rows,
      attempts: rows.attempts.map((attempt) => ({ ...attempt, included: undefined })),
    })),
    'failed with code 0': ofCause('failed', (rows) => {
      const attempts = rows.attempts.map((attempt) => ({
        ...attempt,
        included: attempt.included && { ...attempt.included, code: 0 },
      }));
      return withDeath('failed', { code: 0 })({ ...rows, attempts });
    }),
    'failed, while a sibling with the same nonce was carried out': ofCause('failed', (rows) => ({
      ...rows,
      attempts: [
        ...rows.attempts,
        statefulAttempt({
          txBytes: Uint8Array.of(8),
          nonce: rows.attempts.at(-1)?.nonce ?? null,
          included: { height: 102, code: 0 },
        }),
      ],
    })),
    'failed before its message, while a sibling or an earlier one is open': ofCause(
      'failed',
      withLost({ absent: undefined }),
    ),
    'failed, with a fill': ofCause('failed', withKnownFill),

    'never on chain, but not shown absent': ofCause('never_included', withLost({ absent: undefined })),
    'never on chain, absent at the last moment of the window only': ofCause(
      'never_included',
      withLost({ absent: { height: 104, time: new Date(NONCE + 30_000) } }),
    ),
    'never on chain, with an attempt that has no nonce': ofCause(
      'never_included',
      withFirst({ nonce: null }),
    ),
    'never on chain, with a later nonce': ofCause('never_included', withLost({ nonce: NONCE + 10_000_000 })),
    'never on chain, but included': ofCause(
      'never_included',
      withFirst({ included: { height: 102, code: 0 } }),
    ),
    'never on chain, with one more attempt': ofCause('never_included', (rows) => ({
      ...rows,
      attempts: [...rows.attempts, statefulAttempt({ txBytes: Uint8Array.of(8), nonce: NONCE + 60_000 })],
    })),
    'never on chain, with a fill': ofCause('never_included', withKnownFill),

    'another nonce before the first was shown dead': withEarlier({ absent: undefined, included: undefined }),
    'another nonce after a block within the window of the first': withEarlier({
      absent: { height: 104, time: new Date(NONCE + 30_000) },
      included: undefined,
    }),
    'another nonce after the first was carried out': withEarlier({ included: { height: 102, code: 0 } }),
    'another nonce after the first failed, while a sibling of that is open': (rows) =>
      withEarlier({ included: { height: 102, code: 32 } })({
        ...rows,
        attempts: [...rows.attempts, statefulAttempt(sibling)],
      }),

    'REJECTED with the code of no attempt': (rows) =>
      rows.order.statusReason === 'sdk/32'
        ? { ...rows, attempts: rows.attempts.map((attempt) => ({ ...attempt, code: 5 })) }
        : undefined,
    'REJECTED although an attempt was accepted': (rows) =>
      rows.order.statusReason === 'sdk/32' ? withFirst({ outcome: 'accepted' })(rows) : undefined,
    'REJECTED without the code in the evidence': (rows) =>
      rows.order.statusReason === 'sdk/32'
        ? withEvidence(({ codespace: _, code: __, log: ___, ...rest }) => rest)(rows)
        : undefined,
    'an IOC remainder without a fill': (rows) =>
      rows.order.statusReason === 'ioc_no_match'
        ? withOrder({ statusReason: 'ioc_remainder' })(rows)
        : undefined,
  };

  for (const [name, mutate] of Object.entries(MUTATIONS)) {
    test(name, () => {
      const mutants = Object.entries(CASES).flatMap(([original, [, , rows]]) => {
        const mutant = mutate(rows);
        return mutant === undefined ? [] : [{ original, isFound: why(mutant) !== undefined }];
      });
      expect(mutants.length).toBeGreaterThan(0);
      expect(mutants.filter(({ isFound }) => !isFound).map(({ original }) => original)).toEqual([]);
    });
  }

  for (const [name, [status, , rows]] of Object.entries(CASES)) {
    test(`another status than ${status} for an order that was ${name}`, () => {
      const unfound = STATUSES.filter(
        (other) =>
          other !== status && why({ ...rows, order: { ...rows.order, status: other } }) === undefined,
      );
      expect(unfound).toEqual([]);
    });
  }

  test('a refusal of a repeat explains nothing when another attempt was carried out, were it only past its time', () => {
    const [, , rows] = CASES['past its time'] ?? [];
    if (rows?.order.resolution?.rule !== 'dead') throw new Error('no case');
    const resolution = { ...rows.order.resolution, ...nonceRefusal };
    const order = { ...rows.order, status: 'REJECTED' as const, resolution };
    expect(whyUnproven(order, [{ ...carriedOut, ...refusedNonce }], [])).toBe('no refusal explains REJECTED');
    expect(whyUnproven(order, [{ ...lost, ...refusedNonce }], [])).toBeUndefined();
  });
});

test('another nonce may follow one that failed on chain, with whatever code', () => {
  for (const [name, [, , rows]] of Object.entries(CASES)) {
    for (const code of [1, 32, 3007]) {
      const mutant = withEarlier({ included: { height: 102, code }, absent: undefined })(rows);
      expect([name, mutant && why(mutant)]).toEqual([name, undefined]);
    }
  }
});

test('the block of the death is proof, without any margin', () => {
  for (const [, , { order, attempts, fills }] of Object.values(CASES)) {
    const { resolution } = order;
    if (resolution?.rule !== 'dead') continue;
    const atOnce = { ...order, resolution: { ...resolution, height: resolution.death?.height ?? 0 } };
    expect(whyUnproven(atOnce, attempts, fills)).toBeUndefined();
  }
});

test('an order may be removed in the very block that its transaction is in', () => {
  const rows = ends({ death: REMOVED }, [{ ...carriedOut, included: { height: 108, code: 0 } }]);
  expect(why(rows)).toBeUndefined();
});

test('a fill in the block of the first signature, or in that of the evidence, is within the life of its order', () => {
  const facts = statefulFacts({ death: REMOVED });
  const fills = [fillOf(facts, { height: 100 }), fillOf(facts, { height: 112 })];
  const rows = ended(facts, fills, [carriedOut], 112, GOOD_TIL);
  expect(rows.order.resolution).toMatchObject({ rule: 'dead', height: 112, fills: 2 });
  expect(why(rows)).toBeUndefined();
});

describe('a fill that comes after a proven death', () => {
  const dead = statefulFacts({ death: REMOVED });
  const before = ended(dead, [], [carriedOut], 112, GOOD_TIL);
  const settled = { ...dead, status: before.order.status };
  const late: Fill = fillOf(dead, { size: '3', height: 115 });

  test('is booked as a late one, keeps the status and takes nothing from the evidence', () => {
    const report = reconcile({
      orders: [settled],
      fills: [late],
      startHeight: 0,
      height: 116,
      marginBlocks: 2,
    });
    expect(report.unexplained).toEqual([]);
    expect(report.bookings).toMatchObject([
      { status: 'CANCELLED', filledSize: '3', isLate: true, reason: 'partially filled, after the end' },
    ]);
    expect(report.bookings[0]?.resolution).toBeUndefined();
    expect(report.settled).toEqual([]);
  });

  test('leads to FILLED when it completes the size', () => {
    const whole = fillOf(dead, { size: '10', height: 115 });
    const report = reconcile({
      orders: [settled],
      fills: [whole],
      startHeight: 0,
      height: 116,
      marginBlocks: 2,
    });
    expect(report.bookings).toMatchObject([
      { status: 'FILLED', isLate: true, resolution: { rule: 'filled', height: 115, fills: 1 } },
    ]);
  });

  for (const height of [105, 115]) {
    test(`in block ${height} leaves the proof of the end whole when it was alarmed, and contradicts it otherwise`, () => {
      const withLate = (hasLateFill: boolean): StoredOrder => ({
        order: { ...before.order, filledSize: '3', hasLateFill },
        attempts: before.attempts,
        fills: [{ size: '3', height }],
      });
      expect(why(withLate(true))).toBeUndefined();
      expect(why(withLate(false))).toBeTypeOf('string');
    });
  }

  test('does not make up for one that the evidence counts and that is gone', () => {
    const { order, attempts } = ended(dead, [fillOf(dead, { size: '3' })], [carriedOut], 112, GOOD_TIL);
    const flagged = { ...order, hasLateFill: true };
    expect(whyUnproven(flagged, attempts, [{ size: '3', height: 105 }])).toBeUndefined();
    expect(whyUnproven(flagged, attempts, [{ size: '3', height: 115 }])).toContain('there are 0');
  });

  test('contradicts neither a failure nor an absence that was proven before', () => {
    for (const [facts, attempt] of [
      [statefulFacts({ death: failedAt(failed) }), failed],
      [statefulFacts({ death: NEVER }), lost],
      [statefulFacts({ death: NEVER, refusal: nonceRefusal }), { ...lost, ...refusedNonce }],
    ] as const) {
      const { order, attempts } = ended(facts, [], [attempt], 112, GOOD_TIL);
      const filled = { ...order, filledSize: '3', hasLateFill: true };
      expect(whyUnproven(filled, attempts, [{ size: '3', height: 105 }])).toBeUndefined();
    }
  });
});

describe('a refusal in answer to the first and only transmission', () => {
  const attempt = statefulAttempt({ outcome: 'refused', codespace: 'clob', code: 10001 });
  const evidence = {
    rule: 'refused',
    codespace: 'clob',
    code: 10001,
    log: 'equity tier',
    tx_hash: attempt.txHash,
  } as const;
  const [, , base] = CASES['past its time'] ?? [];
  if (base === undefined) throw new Error('no case');
  const order: ProvenOrder = {
    ...base.order,
    status: 'REJECTED',
    statusReason: 'clob/10001',
    resolution: evidence,
  };

  test('is proof of REJECTED, as it is for short-term orders', () => {
    expect(whyUnproven(order, [attempt], [])).toBeUndefined();
  });

  test('is none when there was a sibling, another transmission, or a code that our own delivery can cause', () => {
    const sibling = statefulAttempt({ txBytes: SECOND });
    expect(whyUnproven(order, [attempt, sibling], [])).toBe('refused at once, but signed 2 times');
    expect(whyUnproven(order, [{ ...attempt, transmissions: 2 }], [])).toBe(
      'refused at once, but sent 2 times',
    );
    for (const [codespace, code] of [
      ['sdk', 32],
      ['clob', 3005],
      ['clob', 3008],
    ] as const) {
      const resolution = { ...evidence, codespace, code };
      expect(whyUnproven({ ...order, resolution }, [{ ...attempt, codespace, code }], [])).toBe(
        `${codespace}/${code} ends no order`,
      );
    }
  });
});
