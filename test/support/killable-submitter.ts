// The submitter process as it is, but it kills itself at the n-th transmission: before the bytes leave, or after
// the answer came and before it is stored. KILL_AT=before_send:3
import type { Validator } from '../../src/core/ports.ts';
import { runWorker } from '../../src/runtime/run-worker.ts';
import { startSubmitter } from '../../src/runtime/submitter.ts';

const [point, nth] = (process.env['KILL_AT'] ?? '').split(':');
let transmissions = 0;

function die(): Promise<never> {
  process.kill(process.pid, 'SIGKILL');
  return new Promise(() => {});
}

function wrapValidator(validator: Validator): Validator {
  return {
    ...validator,
    broadcast: async (...args) => {
      transmissions += 1;
      const isMine = transmissions === Number(nth);
      if (isMine && point === 'before_send') await die();
      const answer = await validator.broadcast(...args);
      if (isMine && point === 'after_send') await die();
      return answer;
    },
  };
}

await runWorker('submitter', (context) => startSubmitter(context, { wrapValidator }));
