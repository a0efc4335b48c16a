// How the submitter takes jobs of the queue `orders`: what a job offers, since when, and what becomes of failed ones.
import { createHash } from 'node:crypto';
import { type Job, type Queue, UnrecoverableError } from 'bullmq';
import { type PlaceJob, place } from '../app/submit.ts';
import { refuseJob, type WakeDeps, wake } from '../app/wake.ts';
import { HEARTBEAT, heartbeatSentAt, intentsOf, type JobData } from '../queue/jobs.ts';

/** Milliseconds since 1970 are beyond it from 2001 on; a smaller timestamp counts another unit. */
const MIN_TIMESTAMP_MS = 1e12;
const FAILED_PAGE = 200;
/** At most so many a turn: what fails again at once is there again. */
const FAILED_PAGES = 10;

export type OrdersJobDeps = WakeDeps & {
  /** @param sentAt by the database's clock */
  readonly recordHeartbeat: (sentAt: Date) => Promise<void>;
};

export async function runJob(job: Job<JobData>, deps: OrdersJobDeps): Promise<void> {
  if (job.name === HEARTBEAT) {
    await deps.recordHeartbeat(heartbeatSentAt(job.data));
    return;
  }
  if (job.name === 'wake') {
    await wake(deps);
    return;
  }
  // Kept as failed, for someone to look at: it is no work of ours.
  if (job.name !== 'place') throw new UnrecoverableError(`unknown job name ${job.name}`);
  await place(deps, placeJobOf(job));
}

function placeJobOf(job: Job<JobData>): PlaceJob {
  const nowMs = Date.now();
  // A producer's clock may be ahead, or count seconds: nothing is offered in the future. What is old stays old.
  const isPlausible = job.timestamp > MIN_TIMESTAMP_MS && job.timestamp <= nowMs;
  return {
    intents: intentsOf(job.data) ?? [job.data],
    offeredAt: new Date(isPlausible ? job.timestamp : nowMs),
    source: `${shortId(job.id ?? 'job')}:${job.timestamp}`,
  };
}

/** Ids of foreign producers may be long; cut ones must not collide. */
function shortId(id: string): string {
  return id.length <= 200 ? id : `sha256-${createHash('sha256').update(id).digest('hex')}`;
}

/**
 * A producer may have given its job one attempt only: an outage must not end it. A job with which workers died again
 * and again is not tried once more, but refused.
 */
export async function putBackFailed(queue: Queue<JobData>, deps: WakeDeps): Promise<void> {
  let start = 0;
  for (let page = 0; page < FAILED_PAGES && !deps.isStopping(); page++) {
    const jobs = await queue.getFailed(start, start + FAILED_PAGE - 1);
    for (const job of jobs) {
      try {
        if (job.name !== 'place') start += 1;
        else await putBack(job, deps);
      } catch (error) {
        // Another replica was faster, or this one job cannot be handled: the others can.
        start += 1;
        deps.log.warn({ job_id: job.id, error: String(error) }, 'failed job left where it is');
      }
    }
    if (jobs.length < FAILED_PAGE) return;
  }
}

async function putBack(job: Job<JobData>, deps: WakeDeps): Promise<void> {
  const fields = { job_id: job.id, reason: job.failedReason };
  if (job.failedReason?.includes('stalled more than')) {
    deps.log.error(fields, 'job refused: workers died with it');
    await refuseJob(deps, placeJobOf(job), 'workers died with it: look at their logs');
    await job.remove();
  } else {
    deps.log.warn(fields, 'failed job put back');
    await job.retry('failed');
  }
}
