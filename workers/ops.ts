// The ops process: metrics of the fleet and its health. Settings: .env.example; PORT is 9464 when it is unset.
import { startOps } from '../src/runtime/ops.ts';
import { runWorker } from '../src/runtime/run-worker.ts';

const DEFAULT_PORT = 9464;

await runWorker('ops', startOps, { defaultPort: DEFAULT_PORT });
