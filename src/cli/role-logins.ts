// Logins out of the files that hold the database URLs of processes, so that each process and `router roles` read the same
// secret.
import { readFileSync } from 'node:fs';
import type { RoleGrant } from '../store/role-setup.ts';
import type { Role } from '../store/roles.ts';

export type RoleLogin = { readonly role: Role; readonly file: string };

/** Throws what is wrong with the file, without what is in it. */
export function readLogin({ role, file }: RoleLogin): RoleGrant {
  const text = readFileSync(file, 'utf8').trim();
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    url === undefined ||
    !/^postgres(ql)?:$/.test(url.protocol) ||
    url.username === '' ||
    url.password === ''
  ) {
    throw new Error(`${file}: must hold a URL such as postgresql://user:password@host/database`);
  }
  return { role, user: decodeURIComponent(url.username), password: decodeURIComponent(url.password) };
}
