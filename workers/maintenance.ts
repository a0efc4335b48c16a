// The maintenance process. Settings: .env.example.

import { startMaintenance } from '../src/runtime/maintenance.ts';
import { runWorker } from '../src/runtime/run-worker.ts';

await runWorker('maintenance', startMaintenance);
