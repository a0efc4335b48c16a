// Who says so, when nobody is named: for what is kept on record.
import { hostname, userInfo } from 'node:os';

/** user@host */
export function whoIs(given: string | undefined): string {
  return given ?? `${userName()}@${hostname()}`;
}

/** A container may run as a number that has no name. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? '?'}`;
  }
}
