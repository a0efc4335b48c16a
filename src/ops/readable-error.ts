// One readable line for an error, with what to do where the bare error does not say it.

export function readableError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return readableError(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  const hint = HINTS.find(([pattern]) => pattern.test(`${code} ${error.message}`))?.[1];
  return hint === undefined ? error.message : `${error.message}: ${hint}`;
}

/** The queue's Redis explains its own errors (src/queue/redis-errors.ts): what has a code here is the database's. */
const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED/, 'is the database running, are host and port right? (DATABASE_URL)'],
  [/^(ENOTFOUND|EAI_AGAIN)/, 'is the host name right? (DATABASE_URL)'],
  [/^(ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)/, 'does a firewall keep it away? (DATABASE_URL)'],
  [/^ timeout exceeded when trying to connect|connection timeout/, 'nothing answers there (DATABASE_URL)'],
  [/^(28P01|28000) /, 'check user and password in DATABASE_URL'],
  [/^3D000 /, 'create it, or correct DATABASE_URL'],
  [/^53300 /, 'close connections, or raise max_connections (router doctor shows the budget)'],
  [/^57P03 /, 'the database is starting or stopping: wait'],
  [/^42501 permission denied for/, 'grant it to the role in DATABASE_URL (router doctor names what lacks)'],
  [/^EISDIR/, 'give a file, or - for standard input'],
];

/** 1, unless the error says another: a supervisor may know by it that starting again is of no use. */
export function exitCodeOf(error: unknown): number {
  const code = error instanceof Error && 'exitCode' in error ? error.exitCode : undefined;
  return typeof code === 'number' ? code : 1;
}
