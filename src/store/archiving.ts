// What a server is set to for base backups and WAL archiving, and how its archiver fares.
import pg from 'pg';

export type Archiving = {
  readonly mode: string;
  /** when the archiver last did, and last failed to, put a file away */
  readonly archived: Date | undefined;
  readonly failed: Date | undefined;
  readonly failedWal: string | undefined;
};

const CONNECT_TIMEOUT_MS = 5_000;
/** pg_basebackup has two connections: files, and the WAL written meanwhile. */
const SENDERS = 2;

export async function readArchiving(url: string): Promise<Archiving> {
  const row = await ask(
    url,
    `SELECT current_setting('archive_mode') AS mode, last_archived_time, last_failed_time, last_failed_wal
     FROM pg_stat_archiver`,
  );
  return {
    mode: row.mode,
    archived: row.last_archived_time ?? undefined,
    failed: row.last_failed_time ?? undefined,
    failedWal: row.last_failed_wal ?? undefined,
  };
}

/** Throws what a base backup lacks, and how it is given. @returns the server's version, e.g. 150018 */
export async function requireReplication(url: string): Promise<{ readonly version: number }> {
  const row = await ask(
    url,
    `SELECT current_setting('server_version_num')::int AS version, session_user::text AS login,
       rolsuper OR rolreplication AS may_replicate, current_setting('wal_level') AS wal_level,
       current_setting('max_wal_senders')::int AS max_senders, (SELECT count(*)::int FROM pg_stat_get_wal_senders()) AS senders
     FROM pg_roles WHERE rolname = session_user`,
  );
  if (row.may_replicate !== true) {
    const login = pg.escapeIdentifier(row.login);
    throw new Error(
      `the login ${row.login} may not take base backups: as a superuser, ALTER ROLE ${login} REPLICATION`,
    );
  }
  if (row.wal_level === 'minimal')
    throw new Error('wal_level is minimal: set it to replica, and restart the server');
  if (row.max_senders - row.senders < SENDERS) {
    throw new Error(
      `max_wal_senders is ${row.max_senders}, of which ${row.senders} are in use: a base backup needs ${SENDERS} (raise it, and restart the server)`,
    );
  }
  return { version: row.version };
}

async function ask(url: string, query: string) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => {});
  await client.connect();
  try {
    const { rows } = await client.query(query);
    return rows[0];
  } finally {
    await client.end();
  }
}
