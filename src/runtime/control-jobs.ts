// How the submitter takes jobs of the queue `control`: cancels and halts, in slots of their own.
import { type Job, type Queue, UnrecoverableError, type Worker } from 'bullmq';
import type { z } from 'zod';
import { type WakeDeps, wake } from '../app/wake.ts';
import { errorFields } from '../ops/logger.ts';
import {
  CONTROL_QUEUE,
  controlSchemas,
  HEARTBEAT,
  heartbeatSentAt,
  type JobData,
  queueBackoff,
} from '../queue/jobs.ts';
import { CONTROL_CONNECTIONS } from '../queue/postgres-backend.ts';
import { type CancelScope, requestCancel, requestCancels } from '../store/cancels.ts';
import { setMode } from '../store/controls.ts';
import type { Database } from '../store/database.ts';
import { recordHeartbeat } from '../store/queue-heartbeats.ts';
import type { Context } from './context.ts';

/** Enough for a burst of single cancels; what they find due is worked on together. */
const CONCURRENCY = 16;

export async function startControlWorker(context: Context, deps: WakeDeps): Promise<Worker<JobData>> {
  const { config, log, queues, outages, db } = context;
  const worker = queues.worker<JobData>(CONTROL_QUEUE, (job) => runControlJob(db, job, deps), {
    concurrency: CONCURRENCY,
    connections: CONTROL_CONNECTIONS,
    lockDuration: config.JOB_LOCK_MS,
    stalledInterval: config.JOB_LOCK_MS,
    backoff: queueBackoff,
  });
  worker.on('error', outages.queue.failed);
  worker.on('failed', (job, error) => {
    context.metrics.telemetry.jobFailed(CONTROL_QUEUE);
    log.warn({ job_id: job?.id, name: job?.name, ...errorFields(error) }, 'control job failed');
  });
  await worker.waitUntilReady();
  void worker.run();
  return worker;
}

async function runControlJob(db: Database, job: Job<JobData>, deps: WakeDeps): Promise<void> {
  switch (job.name) {
    case HEARTBEAT:
      return recordHeartbeat(db, CONTROL_QUEUE, heartbeatSentAt(job.data));
    case 'wake':
      break;
    case 'cancel': {
      const { tenant_id, client_id } = dataOf(job, controlSchemas.cancel);
      const { outcome } = await requestCancel(db, tenant_id, client_id);
      deps.log.info({ tenant_id, client_id, outcome }, 'cancel requested');
      break;
    }
    case 'cancel_all': {
      const scope = scopeOf(dataOf(job, controlSchemas.cancel_all));
      const orders = await requestCancels(db, scope);
      deps.log.warn({ ...scope, orders }, 'cancel of all orders requested');
      break;
    }
    case 'halt': {
      const { tenant_id = '', account = '', market = '', reason, by } = dataOf(job, controlSchemas.halt);
      const scope = { tenantId: tenant_id, account, market };
      // An old job that is tried once more must not undo what was decided since.
      const decidedAt = new Date(job.timestamp);
      const control = await setMode(db, { ...scope, mode: 'HALTED', reason, setBy: by, decidedAt });
      deps.log.warn(
        { ...scope, reason, by },
        control === undefined ? 'halt is older than what holds' : 'halt set',
      );
      return;
    }
    default:
      throw new UnrecoverableError(`unknown job name ${job.name}`);
  }
  await wake(deps, true);
}

/** Kept as failed, for someone to look at: trying again would fail again. */
function dataOf<Schema extends z.ZodType>(job: Job<JobData>, schema: Schema): z.output<Schema> {
  const parsed = schema.safeParse(job.data);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new UnrecoverableError(`bad ${job.name} job: ${issue?.path.join('.') ?? ''} ${issue?.message ?? ''}`);
}

function scopeOf(data: z.output<typeof controlSchemas.cancel_all>): CancelScope {
  return { tenantId: data.tenant_id, account: data.account, market: data.market };
}

/** At most so many a turn: what fails again at once is there again. */
const PUT_BACK = 200;

/** A cancel or a halt that failed with one attempt only is tried again, unless it is none. */
export async function putBackFailedControls(queue: Queue<JobData>, log: WakeDeps['log']): Promise<void> {
  for (const job of await queue.getFailed(0, PUT_BACK - 1)) {
    const schema = Object.entries(controlSchemas).find(([name]) => name === job.name)?.[1];
    if (schema?.safeParse(job.data).success !== true) continue;
    log.warn({ job_id: job.id, name: job.name, reason: job.failedReason }, 'failed control job put back');
    // Another replica may have been faster.
    await job.retry('failed').catch(() => {});
  }
}
