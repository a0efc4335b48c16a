// Whether a process can do its work: its checks, asked in parallel, each within a deadline and at most once a second.
// A process is ready when it has started, is not stopping, and every check is fine.
import { type Answer, askAtMost } from './ask.ts';
import { readableError } from './readable-error.ts';

/** `why` says what is wrong and what to do; without it the check is fine. The other fields are shown as they are. */
export type Finding = {
  readonly why?: string | undefined;
  readonly [fact: string]: string | number | undefined;
};

export type Check = {
  readonly name: string;
  /** Throws when it cannot be told, which is not fine. Never part of a finding: secrets. */
  readonly ask: () => Promise<Finding>;
};

type ShownCheck = {
  readonly ok: boolean;
  readonly ms: number;
  readonly why?: string;
  readonly [fact: string]: string | number | boolean | undefined;
};

type HealthReport = {
  readonly status: 'starting' | 'ready' | 'not_ready' | 'stopping';
  readonly component: string;
  readonly checks: Readonly<Record<string, ShownCheck>>;
};

export type Health = {
  /** It has started; from now on it is ready when these are fine. */
  readonly markStarted: (checks: readonly Check[]) => void;
  /** For good. */
  readonly markStopping: () => void;
  readonly report: () => Promise<HealthReport>;
};

const LIMITS = { maxAgeMs: 1_000, deadlineMs: 1_000 };
const MAX_WHY_CHARS = 300;

export function createHealth(component: string): Health {
  let phase: 'starting' | 'running' | 'stopping' = 'starting';
  let asked: readonly { readonly name: string; readonly ask: () => Promise<Answer<Finding>> }[] = [];
  return {
    markStarted: (checks) => {
      asked = checks.map(({ name, ask }) => ({ name, ask: askAtMost(ask, LIMITS) }));
      if (phase === 'starting') phase = 'running';
    },
    markStopping: () => {
      phase = 'stopping';
    },
    report: async () => {
      // What is being closed is asked no more.
      if (phase !== 'running') return { status: phase, component, checks: {} };
      const results = await Promise.all(
        asked.map(async ({ name, ask }) => [name, shown(await ask())] as const),
      );
      const isReady = results.every(([, { ok }]) => ok);
      return { status: isReady ? 'ready' : 'not_ready', component, checks: Object.fromEntries(results) };
    },
  };
}

function shown(answer: Answer<Finding>): ShownCheck {
  const { ms } = answer;
  if (!answer.ok) return { ok: false, ms, why: oneLine(readableError(answer.error)) };
  const { why, ...facts } = answer.value;
  return why === undefined ? { ok: true, ms, ...facts } : { ok: false, ms, ...facts, why: oneLine(why) };
}

/** Messages of drivers may quote a URL with its password. */
function oneLine(text: string): string {
  const line = text.replace(/\s+/g, ' ').replace(/\/\/[^/@\s]*@/g, '//[redacted]@');
  return line.length <= MAX_WHY_CHARS ? line : `${line.slice(0, MAX_WHY_CHARS)}…`;
}
