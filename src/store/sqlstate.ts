// What an error of the database means, by SQLSTATE. https://www.postgresql.org/docs/current/errcodes-appendix.html

export function sqlstateOf(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** The statement had no effect and may be repeated as it is. */
export function isTransient(error: unknown): boolean {
  const state = sqlstateOf(error);
  return state === '40001' || state === '40P01'; // serialization_failure, deadlock_detected
}

/** The data of a row is at fault: class 22 (data exception) and class 23 (integrity constraint violation). */
export function isDataError(error: unknown): boolean {
  const state = sqlstateOf(error);
  return state !== undefined && (state.startsWith('22') || state.startsWith('23'));
}
