// One line when something goes away, one a minute while it stays away, one when it is back; not one per failed try.
import { errorFields, type Logger } from './logger.ts';

export type Outage = {
  readonly failed: (error: unknown) => void;
  /** It works: ends the outage, if there is one. */
  readonly works: () => void;
};

const REPEAT_MS = 60_000;

/** @param what constant and lower-case: `queue`, `database`, `venue` */
export function createOutage(log: Logger, what: string, now: () => number = Date.now): Outage {
  let outage: { sinceMs: number; saidMs: number; errors: number } | undefined;
  return {
    failed: (error) => {
      outage ??= { sinceMs: now(), saidMs: Number.NEGATIVE_INFINITY, errors: 0 };
      outage.errors += 1;
      if (now() - outage.saidMs < REPEAT_MS) return;
      outage.saidMs = now();
      const { sinceMs, errors } = outage;
      log.warn(
        { ...errorFields(error), for_ms: now() - sinceMs, errors },
        `${what} not reachable, trying on`,
      );
    },
    works: () => {
      if (outage === undefined) return;
      const { sinceMs, errors } = outage;
      outage = undefined;
      log.info({ for_ms: now() - sinceMs, errors }, `${what} reachable again`);
    },
  };
}
