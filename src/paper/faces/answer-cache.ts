// The cache in front of the indexer: for a second the same question gets the same answer, whatever has happened since.
// Bounded: it is emptied when it holds too many questions.
import type { Answer } from './indexer-query.ts';

const MAX_ANSWERS = 1_000;
/** comlink sets no cache header on these (facts §7.2). */
const UNCACHED = /^\/v4\/(time|orders\/)/;

export type AnswerCache = {
  /** What was answered to this URL at most so long ago, or else what `ask` answers now. */
  readonly through: (url: URL, ask: () => Answer) => Answer;
};

/** maxAgeMs 0: nothing is kept. */
export function createAnswerCache(maxAgeMs: number, now: () => number): AnswerCache {
  const answers = new Map<string, { readonly answer: Answer; readonly timeMs: number }>();
  return {
    through({ pathname, search }, ask) {
      if (maxAgeMs === 0 || UNCACHED.test(pathname)) return ask();
      const question = `${pathname}${search}`;
      const kept = answers.get(question);
      if (kept && now() - kept.timeMs < maxAgeMs) return kept.answer;
      if (answers.size >= MAX_ANSWERS) answers.clear();
      const answer = ask();
      answers.set(question, { answer, timeMs: now() });
      return answer;
    },
  };
}
