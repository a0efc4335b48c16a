// Asks something that may hang: within a deadline, once at a time, and not again while the answer is fresh. However
// often a probe comes, what it asks is loaded once per maxAgeMs at most.
import { setTimeout as delay } from 'node:timers/promises';

export type Answer<Value> =
  | { readonly ok: true; readonly value: Value; readonly ms: number }
  | { readonly ok: false; readonly error: unknown; readonly ms: number };

export type AskLimits = {
  readonly maxAgeMs: number;
  /** Later answers count as none for those who wait; the question goes on and is not asked twice. */
  readonly deadlineMs: number;
};

export function askAtMost<Value>(
  ask: () => Promise<Value>,
  { maxAgeMs, deadlineMs }: AskLimits,
): () => Promise<Answer<Value>> {
  let underWay: Promise<Answer<Value>> | undefined;
  let last: { readonly answer: Answer<Value>; readonly atMs: number } | undefined;

  const askNow = async (): Promise<Answer<Value>> => {
    const startedMs = performance.now();
    const elapsed = () => Math.round(performance.now() - startedMs);
    let answer: Answer<Value>;
    try {
      answer = { ok: true, value: await ask(), ms: elapsed() };
    } catch (error) {
      answer = { ok: false, error, ms: elapsed() };
    }
    last = { answer, atMs: performance.now() };
    underWay = undefined;
    return answer;
  };

  return async () => {
    if (last !== undefined && performance.now() - last.atMs < maxAgeMs) return last.answer;
    underWay ??= askNow();
    const timer = new AbortController();
    const tooLate = delay(deadlineMs, undefined, { signal: timer.signal }).then(
      (): Answer<Value> => ({
        ok: false,
        error: new Error(`no answer within ${deadlineMs} ms`),
        ms: deadlineMs,
      }),
    );
    try {
      return await Promise.race([underWay, tooLate]);
    } finally {
      tooLate.catch(() => {});
      timer.abort();
    }
  };
}
