// The submitter process. Settings: .env.example.
import { runWorker } from '../src/runtime/run-worker.ts';
import { startSubmitter } from '../src/runtime/submitter.ts';

await runWorker('submitter', startSubmitter);
