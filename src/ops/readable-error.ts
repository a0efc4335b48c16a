// One readable line for an error, with what to do where the bare error does not say it.

export function readableError(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return readableError(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error ? String(error.code) : '';
  const hint = HINTS.find(([pattern]) => pattern.test(`${code} ${error.message}`))?.[1];
  return hint === undefined ? error.message : `${error.message}: ${hint}`;
}

const HINTS: readonly (readonly [RegExp, string])[] = [
  [/^ECONNREFUSED/, 'is the server running? (DATABASE_URL, REDIS_URL)'],
  [/^ENOTFOUND/, 'is the host name right? (DATABASE_URL, REDIS_URL)'],
  [/^(28P01|28000) /, 'check user and password in DATABASE_URL'],
  [/^3D000 /, 'create it, or correct DATABASE_URL'],
  [/^EISDIR/, 'give a file, or - for standard input'],
  // ioredis, when it gives up on a server
  [/Connection is closed|maxRetriesPerRequest/, 'is Redis running? (REDIS_URL)'],
];
