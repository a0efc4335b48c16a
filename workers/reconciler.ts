// The reconciler process. Settings: .env.example.

import { startReconciler } from '../src/runtime/reconciler.ts';
import { runWorker } from '../src/runtime/run-worker.ts';

await runWorker('reconciler', startReconciler);
