import { describe, expect, test } from 'vitest';
import { bucketsOf, quantileOf, sumOf } from '../../../src/kit/bench/histogram.ts';

const TEXT = `# HELP router_x_seconds of something
router_x_seconds_bucket{le="0.001"} 2
router_x_seconds_bucket{le="0.01"} 10
router_x_seconds_bucket{le="+Inf"} 10
router_x_seconds_sum 0.1
router_x_seconds_count 10
router_other_seconds_bucket{le="0.001"} 99
`;

describe('a histogram between two scrapes', () => {
  const none = new Map([...bucketsOf(TEXT, 'router_x_seconds').keys()].map((bound) => [bound, 0]));

  test('is read by its own name only', () => {
    expect([...bucketsOf(TEXT, 'router_x_seconds')]).toEqual([
      [0.001, 2],
      [0.01, 10],
      [Number.POSITIVE_INFINITY, 10],
    ]);
  });

  test('gives percentiles that are linear within a bucket', () => {
    const after = bucketsOf(TEXT, 'router_x_seconds');
    expect(quantileOf(none, after, 0.1)).toBeCloseTo(0.0005);
    expect(quantileOf(none, after, 0.6)).toBeCloseTo(0.001 + 0.009 / 2);
    expect(quantileOf(none, after, 1)).toBeCloseTo(0.01);
  });

  test('counts only what came in between', () => {
    const after = bucketsOf(TEXT.replaceAll(' 10\n', ' 12\n'), 'router_x_seconds');
    expect(quantileOf(bucketsOf(TEXT, 'router_x_seconds'), after, 0.5)).toBeCloseTo(0.0055);
    expect(quantileOf(after, after, 0.5)).toBeUndefined();
  });

  test('beyond the last bound nothing is known', () => {
    const slow = bucketsOf(TEXT.replace('le="+Inf"} 10', 'le="+Inf"} 1000'), 'router_x_seconds');
    expect(quantileOf(none, slow, 0.99)).toBe(Number.POSITIVE_INFINITY);
  });

  test('of several processes is their sum', () => {
    const one = bucketsOf(TEXT, 'router_x_seconds');
    expect(sumOf([one, one]).get(0.01)).toBe(20);
  });
});
