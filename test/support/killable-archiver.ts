// An archiving process that kills itself so many milliseconds after its work began: in the middle of a batch, or between
// two; on two sessions, as `router archive --fast`. ARGS: database URL, milliseconds.
import { archive } from '../../src/store/archive.ts';
import { openDatabase } from '../../src/store/database.ts';
import { runTask } from '../../src/store/maintenance.ts';

const [url = '', delayMs] = process.argv.slice(2);
const db = openDatabase({ url });
const { signal } = new AbortController();
const work = archive({ olderThanDays: 1, isPaced: false, url });
await runTask({ db, url, task: 'archive', startedBy: 'victim', signal }, (run) => {
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), Number(delayMs));
  return work(run);
});
await db.destroy();
