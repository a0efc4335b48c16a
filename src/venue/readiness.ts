// "The first good answer has come", as something to wait for with a limit.

export type Readiness = {
  readonly markReady: () => void;
  /** Rejects with explain() when it takes longer than timeoutMs. Later calls resolve at once when ready. */
  readonly wait: (timeoutMs: number, explain: () => string) => Promise<void>;
};

export function createReadiness(): Readiness {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    markReady: resolve,
    wait: async (timeoutMs, explain) => {
      const late = Promise.withResolvers<never>();
      const timer = setTimeout(() => late.reject(new Error(explain())), timeoutMs);
      try {
        await Promise.race([promise, late.promise]);
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
