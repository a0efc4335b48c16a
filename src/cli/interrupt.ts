// Ctrl-C for commands that start servers of their own: the first one breaks the work off, which then ends what it has
// started; a later one does not wait for that.

export type Interrupt = { readonly signal: AbortSignal; readonly release: () => void };

/** A process manager passes on what the terminal has sent already. */
const SAME_SIGNAL_MS = 500;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function endOnInterrupt(): Interrupt {
  const end = new AbortController();
  let firstMs: number | undefined;
  const onSignal = () => {
    if (firstMs !== undefined && performance.now() - firstMs > SAME_SIGNAL_MS) process.exit(130);
    firstMs ??= performance.now();
    end.abort(new Error('interrupted'));
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    signal: end.signal,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
