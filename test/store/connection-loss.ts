// A process of its own for database.test.ts: asks the database something long and waits for its end. Exits with 0
// when the loss of the connection was an ordinary error; an unhandled 'error' event ends it with 1.
import { sql } from 'kysely';
import { openDatabase } from '../../src/store/database.ts';
import { runTask } from '../../src/store/maintenance.ts';
import { vacuum } from '../../src/store/vacuum.ts';

const [url = '', mode] = process.argv.slice(2);
const db = openDatabase({ url, applicationName: 'victim' });
const long = sql`SELECT pg_advisory_xact_lock(42)`;

async function work(): Promise<unknown> {
  if (mode === 'transaction') return db.transaction().execute((trx) => long.execute(trx));
  if (mode === 'statement') return long.execute(db);
  const { signal } = new AbortController();
  return runTask({ db, url, task: 'vacuum', startedBy: 'victim', signal }, vacuum(60));
}

await work().then(
  () => process.stdout.write('no loss\n'),
  () => process.stdout.write('lost\n'),
);
// The pool replaces the connection: one statement may still meet the dead one.
const ask = () => sql`SELECT 1`.execute(db);
await ask().catch(ask);
process.stdout.write('goes on\n');
await db.destroy();
