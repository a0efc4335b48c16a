// The reconciler process as it is, with small pages, but it kills itself in the middle of booking the n-th report
// that has fills: KILL_AT=2:0.4 (milliseconds after the transaction began; negative: between two pages).

import { startReconciler } from '../../src/runtime/reconciler.ts';
import { runWorker } from '../../src/runtime/run-worker.ts';

const [nth, delayMs] = (process.env['KILL_AT'] ?? '').split(':').map(Number);
let reports = 0;

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

await runWorker('reconciler', (context) =>
  startReconciler(context, {
    wrapDeps: (deps) => ({
      ...deps,
      pageSize: 4,
      catchUpSize: 4,
      book: async (report) => {
        if (report.fills.length > 0) reports += 1;
        const isMine = reports === nth && report.fills.length > 0;
        if (isMine && delayMs !== undefined && delayMs >= 0) setTimeout(die, delayMs);
        const booked = await deps.book(report);
        if (isMine) die();
        return booked;
      },
    }),
  }),
);
