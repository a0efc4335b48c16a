// A seed that fails is of use only if it fails again.
import { expect, test } from 'vitest';
import { randomOf } from '../../../src/kit/sim/random.ts';
import { createScheduler } from '../../../src/kit/sim/scheduler.ts';
import { simulate } from './seeds.ts';

test('one seed is the same every time, whatever ran before it', async () => {
  const told = ({ tookMs: _, ...result }: Awaited<ReturnType<typeof simulate>>[number]) => result;
  const [, second] = await simulate([7, 8]);
  const [alone] = await simulate([8]);
  if (second === undefined || alone === undefined) throw new Error('no results');
  expect(told(second)).toEqual(told(alone));
});

test('chance follows from the seed alone', () => {
  const drawn = (seed: number) => {
    const random = randomOf(seed);
    return Array.from({ length: 5 }, () => random.integer(0, 1_000));
  };
  expect(drawn(3)).toEqual(drawn(3));
  expect(drawn(3)).not.toEqual(drawn(4));
});

test('what is asked for at the same simulated time goes on in the order of asking, and work before the next event', async () => {
  const said: string[] = [];
  const scheduler = createScheduler(0, async (nowMs) => {
    said.push(`time is ${nowMs}`);
  });
  const actor = async (name: string, ms: number) => {
    await scheduler.sleep(ms);
    await scheduler.work(async () => {
      await new Promise((resolve) => setTimeout(resolve, 5));
      said.push(`${name} worked`);
    });
    said.push(`${name} is over`);
  };
  void actor('slow', 200);
  void actor('fast', 100);
  void actor('other', 100);
  await scheduler.run(async () => true);
  expect(said).toEqual([
    'time is 100',
    'fast worked',
    'fast is over',
    'other worked',
    'other is over',
    'time is 200',
    'slow worked',
    'slow is over',
  ]);
});
