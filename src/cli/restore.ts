// `router restore` and `router recovered`: how trading goes on after a database was lost. Both end halted.
import { basename } from 'node:path';
import { findDump } from '../backup/folder.ts';
import { restore } from '../backup/restore.ts';
import { ConfigError, readConfig } from '../config.ts';
import { chooseBackend } from '../queue/backend.ts';
import { requireSchema } from '../store/migrations.ts';
import { finishRecovery, type Recovered } from '../store/recovery.ts';
import { NO_DATABASE } from './backup.ts';
import { bringUpToDate } from './bring-up-to-date.ts';
import { endOnInterrupt } from './interrupt.ts';
import { whoIs } from './who.ts';
import { withDatabase } from './with-database.ts';

type Said = { readonly reason?: string; readonly by?: string };
type RestoreOptions = Said & { readonly database?: string; readonly into?: string };

export async function runRestore(
  given: string,
  { database, into, reason, by }: RestoreOptions,
): Promise<void> {
  if ((database === undefined) === (into === undefined))
    throw new Error('say where to: --database NAME on the server of DATABASE_URL, or --into URL');
  const { config, secrets } = readConfig(process.env);
  const url = into ?? secrets.databaseDirectUrl;
  if (url === undefined) throw new ConfigError(NO_DATABASE);
  const name = database ?? nameIn(url);
  const file = findDump(config.BACKUP_DIR, given);
  const interrupt = endOnInterrupt();
  try {
    const restored = await restore({
      file,
      url,
      name,
      binDir: config.PG_BIN_DIR,
      signal: interrupt.signal,
      recovery: {
        reason: because(`restored from ${basename(file)}`, reason),
        setBy: whoIs(by),
        isNothingLost: false,
      },
      migrate: async (databaseUrl) => {
        const queue = chooseBackend({
          redisUrl: secrets.redisUrl,
          databaseUrl,
          queuePrefix: config.QUEUE_PREFIX,
        });
        const { applied, notes } = await bringUpToDate(databaseUrl, queue).finally(() => queue.close());
        for (const note of notes) console.error(note);
        if (applied.length > 0) console.log(`applied ${applied.join(', ')}`);
      },
    });
    const compared = restored.isCompared
      ? 'equal to what was dumped'
      : `without ${basename(file)}.json nothing was compared`;
    console.log(`${basename(file)} is restored as database ${name}; ${compared}`);
    tell(restored);
    console.log(
      'next: router roles --grant … on it for the logins of the processes, then let every DATABASE_URL name it',
    );
  } finally {
    interrupt.release();
  }
}

function nameIn(url: string): string {
  const name = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : '';
  if (name === '') throw new Error('--into: must be a URL that ends with the name of the new database');
  return name;
}

export async function runRecovered({
  nothingLost,
  reason,
  by,
}: Said & { nothingLost: boolean }): Promise<void> {
  await withDatabase(
    async ({ db }) => {
      await requireSchema(db);
      const recovery = {
        reason: because(nothingLost ? 'a standby was promoted' : 'the database was recovered', reason),
        setBy: whoIs(by),
        isNothingLost: nothingLost,
      };
      tell(await finishRecovery(db, recovery));
    },
    { isDirect: true },
  );
}

/** Every order that the halt refuses is told. */
function because(what: string, why: string | undefined): string {
  return why === undefined ? what : `${what}: ${why}`;
}

function tell({ set_aside, lives_prolonged, cancels_requested }: Recovered): void {
  console.log('everything is halted, and venue client ids start anew');
  if (set_aside > 0)
    console.log(
      `set aside ${set_aside} orders that may have been sent by what is forgotten: router stuck lists them`,
    );
  if (lives_prolonged > 0)
    console.log(
      `${lives_prolonged} short-term orders are settled only when no signature of them can be alive`,
    );
  if (cancels_requested > 0)
    console.log(
      `cancel ${cancels_requested} stateful orders of which it is not known whether the chain has them`,
    );
  console.log(
    'start the reconciler, look at router unexplained and router incidents, and then router resume --reason "…"',
  );
}
