// Debian's PostgreSQL server: the oldest version that is supported and installed here.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = '/usr/lib/postgresql';
const OLDEST = 15;
const WHY = `no PostgreSQL ${OLDEST} or later in ${FOLDER} (Debian: apt-get install postgresql; or set DEBIAN_POSTGRES_BIN)`;

type Found = { readonly binaries: string } | { readonly binaries: undefined; readonly why: string };

/** DEBIAN_POSTGRES_BIN, or the lowest version that is installed. */
export function findDebianPostgres(environment: NodeJS.ProcessEnv, folder = FOLDER): Found {
  const given = environment['DEBIAN_POSTGRES_BIN'];
  if (given) return { binaries: given };
  const versions = existsSync(folder) ? readdirSync(folder).map(Number) : [];
  const version = versions
    .filter((found) => found >= OLDEST && existsSync(join(folder, String(found), 'bin', 'initdb')))
    .sort((left, right) => left - right)[0];
  if (version === undefined) return { binaries: undefined, why: WHY };
  return { binaries: join(folder, String(version), 'bin') };
}
