// Schedules: the newest tick of a pattern in UTC, and what is due runs once.
import { expect, test } from 'vitest';
import {
  isTaskDue,
  lastTick,
  nextTick,
  type RunOutcome,
  type UpkeepDeps,
  upkeep,
} from '../../src/app/upkeep.ts';

const NOW = new Date('2026-03-04T03:30:00Z');

test('the newest tick is at the time or before it, in UTC', () => {
  expect(lastTick('30 3 * * *', NOW)).toEqual(NOW);
  expect(lastTick('30 3 * * *', new Date('2026-03-04T03:29:59.999Z'))).toEqual(
    new Date('2026-03-03T03:30:00Z'),
  );
  expect(lastTick('0 4 * * 0', NOW)).toEqual(new Date('2026-03-01T04:00:00Z'));
  // A clock that is put forward in spring skips 02:30 in many places.
  expect(lastTick('30 2 * * *', new Date('2026-03-29T12:00:00Z'))).toEqual(new Date('2026-03-29T02:30:00Z'));
  expect(nextTick('30 3 * * *', NOW)).toEqual(new Date('2026-03-05T03:30:00Z'));
});

function given(changes: Partial<UpkeepDeps> = {}) {
  const ran: string[] = [];
  const logged: unknown[] = [];
  const deps: UpkeepDeps = {
    schedules: { vacuum: '30 3 * * *' },
    lastRuns: async () => ({ done: undefined, failed: undefined, now: NOW }),
    run: async (task): Promise<RunOutcome> => {
      ran.push(task);
      return { outcome: 'done', counts: { tables: 5 }, ms: 1_500 };
    },
    log: { info: (fields, message) => logged.push({ ...fields, message }) },
    ...changes,
  };
  return { deps, ran, logged };
}

test('what is due runs, and the log says what was done', async () => {
  const { deps, ran, logged } = given();
  await upkeep(deps, 'vacuum');
  expect(ran).toEqual(['vacuum']);
  expect(logged).toEqual([{ task: 'vacuum', ms: 1_500, counts: { tables: 5 }, message: 'maintenance done' }]);
});

test('what was done since the tick does not run again, and a tick up to a minute ahead counts', async () => {
  const done = new Date('2026-03-04T03:29:30Z');
  const { deps, ran } = given({ lastRuns: async () => ({ done, failed: undefined, now: NOW }) });
  await upkeep(deps, 'vacuum');
  expect(ran).toEqual([]);
  const early = {
    done: new Date('2026-03-03T03:30:00Z'),
    failed: undefined,
    now: new Date('2026-03-04T03:29:10Z'),
  };
  expect(isTaskDue('30 3 * * *', early)).toBe(true);
  expect(isTaskDue(undefined, early)).toBe(false);
});

test('what has no schedule is never due', async () => {
  const { deps, ran } = given();
  await upkeep(deps, 'archive');
  expect(ran).toEqual([]);
});

test('a run that another process is at is silent, one that was broken off says so', async () => {
  const busy = given({ run: async () => ({ outcome: 'busy' }) });
  await upkeep(busy.deps, 'vacuum');
  expect(busy.logged).toEqual([]);
  const stopped = given({ run: async () => ({ outcome: 'stopped', counts: {}, ms: 10 }) });
  await upkeep(stopped.deps, 'vacuum');
  expect(stopped.logged).toMatchObject([{ message: 'maintenance stopped' }]);
});

test('a failure is the caller’s', async () => {
  const { deps, logged } = given({
    run: async () => {
      throw new Error('lock timeout');
    },
  });
  await expect(upkeep(deps, 'vacuum')).rejects.toThrow('lock timeout');
  expect(logged).toEqual([]);
});
