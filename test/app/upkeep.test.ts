// What is due runs once; a missed tick is made up, a doubled one does nothing, and what failed is tried again.
import { describe, expect, test } from 'vitest';
import { type SCHEDULES, type UpkeepDeps, upkeep } from '../../src/app/upkeep.ts';

const HOUR_MS = 3_600_000;
const NOW = new Date('2026-03-04T03:30:00Z');

async function runsAfter(task: keyof typeof SCHEDULES, sinceMs: number | undefined): Promise<boolean> {
  let hasRun = false;
  await upkeep(
    {
      lastRun: async (asked) => {
        expect(asked).toBe(task);
        return sinceMs === undefined ? undefined : new Date(NOW.getTime() - sinceMs);
      },
      run: async (asked) => {
        expect(asked).toBe(task);
        hasRun = true;
        return true;
      },
      now: () => NOW,
      log: { info: () => {} },
    },
    task,
  );
  return hasRun;
}

describe.each([
  ['vacuum', 24],
  ['analyze', 7 * 24],
] as const)('%s', (task, hours) => {
  test('runs where it has never run', async () => {
    expect(await runsAfter(task, undefined)).toBe(true);
  });

  test(`runs ${hours} hours after the last run, and late rather than never`, async () => {
    expect(await runsAfter(task, hours * HOUR_MS)).toBe(true);
    expect(await runsAfter(task, 100 * hours * HOUR_MS)).toBe(true);
  });

  test('runs at a tick that comes up to a minute early, and not at a doubled one', async () => {
    expect(await runsAfter(task, hours * HOUR_MS - 60_000)).toBe(true);
    expect(await runsAfter(task, hours * HOUR_MS - 60_001)).toBe(false);
    expect(await runsAfter(task, 0)).toBe(false);
  });
});

describe('the log', () => {
  const logged = async (run: UpkeepDeps['run']) => {
    const lines: unknown[] = [];
    let ms = NOW.getTime();
    const now = () => new Date(ms);
    const worked: UpkeepDeps['run'] = async (task) => {
      ms += 1_500;
      return run(task);
    };
    const info = (fields: object, message: string) => lines.push({ ...fields, message });
    await upkeep({ lastRun: async () => undefined, run: worked, now, log: { info } }, 'vacuum');
    return lines;
  };

  test('says what was done and how long it took', async () => {
    expect(await logged(async () => true)).toEqual([
      { task: 'vacuum', ms: 1_500, message: 'maintenance done' },
    ]);
  });

  test('is silent when another replica is at it', async () => {
    expect(await logged(async () => false)).toEqual([]);
  });

  test('is left to the caller when the run failed', async () => {
    const failing = logged(async () => {
      throw new Error('lock timeout');
    });
    await expect(failing).rejects.toThrow('lock timeout');
  });
});
