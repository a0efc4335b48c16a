// What a block takes is measured over the last 50 to 100 of them that were looked at.
import { expect, test } from 'vitest';
import type { Block } from '../../src/core/ports.ts';
import { createBlockPace } from '../../src/runtime/block-pace.ts';

function chain() {
  const state: { block: Block | undefined } = { block: undefined };
  const pace = createBlockPace(() => state.block);
  const pass = (blocks: number, blockMs: number) => {
    for (let passed = 0; passed < blocks; passed++) {
      const { height, time } = state.block ?? { height: 1_000, time: new Date(0) };
      state.block = { height: height + 1, time: new Date(time.getTime() + blockMs) };
      pace.look();
    }
  };
  return { state, pace, pass };
}

test('before there is a height nothing is known, and at the first one a block is taken for a second', () => {
  const { pace, pass } = chain();
  expect(pace.look()).toBeUndefined();
  pass(1, 0);
  expect(pace.look()).toEqual({ height: 1_001, blockMs: 1_000 });
});

test('a chain that slows down is noticed within 100 blocks', () => {
  const { pace, pass } = chain();
  pass(500, 600);
  expect(pace.look()?.blockMs).toBe(600);
  pass(100, 1_500);
  expect(pace.look()).toEqual({ height: 1_600, blockMs: 1_500 });
});

test('after a height that was wrong it begins anew', () => {
  const { state, pace, pass } = chain();
  pass(10, 800);
  const { block } = state;
  state.block = { height: 9_999_999, time: new Date(99_999_999) };
  pace.look();
  state.block = block;
  pass(60, 800);
  expect(pace.look()?.blockMs).toBe(800);
});
