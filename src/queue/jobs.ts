// The jobs of the queues and how they are added. A `place` job carries one intent or up to 100; a `wake`
// job carries nothing: the rows that are due are the work. Cancels and halts have a queue of their own, so that no number
// of placements holds them up. A `heartbeat` goes through every queue.
import type { Queue } from 'bullmq';
import { z } from 'zod';
import { type Intent, MAX_INTENTS_PER_JOB, placeJobId } from '../core/intent.ts';
import { backoff } from '../core/retry.ts';
import type { UpkeepTask } from '../core/upkeep.ts';

export const ORDERS_QUEUE = 'orders';
export const CONTROL_QUEUE = 'control';
export const MAINTENANCE_QUEUE = 'maintenance';
export const QUEUES = [ORDERS_QUEUE, CONTROL_QUEUE, MAINTENANCE_QUEUE] as const;

export const HEARTBEAT = 'heartbeat';

export type JobData = Record<string, unknown>;

/**
 * Data of a `place` job: one intent as it is, or `{"intents": [...]}`. The intents are validated one by one, so
 * that a bad one harms no other.
 */
const groupSchema = z.strictObject({ intents: z.array(z.unknown()).min(1).max(MAX_INTENTS_PER_JOB) });

/** The raw intents of a `place` job; undefined when the group is none. */
export function intentsOf(data: unknown): readonly unknown[] | undefined {
  const isGroup = typeof data === 'object' && data !== null && 'intents' in data;
  if (!isGroup) return [data];
  const group = groupSchema.safeParse(data);
  return group.success ? group.data.intents : undefined;
}

/**
 * A thrown error is broken infrastructure: try again for hours, it costs a few bytes a try. Fewer attempts would
 * turn an outage into failed jobs (the sweep puts those back, too).
 */
const PLACE_OPTIONS = { attempts: 10_000, backoff: { type: 'custom' } } as const;
const WAKE_OPTIONS = { attempts: 1, removeOnComplete: true, removeOnFail: true } as const;

export function queueBackoff(attemptsMade: number): number {
  return backoff(attemptsMade, Math.random(), { baseMs: 500, capMs: 15_000 });
}

/** One intent, one job; the same intent again is the same job. */
export async function addPlaceJobs(queue: Queue<JobData>, intents: readonly Intent[]): Promise<void> {
  await queue.addBulk(
    intents.map((intent) => ({
      name: 'place',
      data: { ...intent },
      opts: { ...PLACE_OPTIONS, jobId: placeJobId(intent) },
    })),
  );
}

const name = (maxChars: number) => z.string().min(1).max(maxChars);
const scope = { tenant_id: name(255).optional(), account: name(64).optional(), market: name(50).optional() };

/** Data of the jobs of the queue `control`, by job name. */
export const controlSchemas = {
  cancel: z.strictObject({ tenant_id: name(255).default('default'), client_id: name(255) }),
  /** every active order that matches all names given */
  cancel_all: z.strictObject(scope),
  /** What lifts a halt is not taken from a queue: whoever may add a job is not known. */
  halt: z.strictObject({ ...scope, reason: name(500), by: name(255) }),
} as const;

export async function addCancelJob(queue: Queue<JobData>, tenantId: string, clientId: string): Promise<void> {
  await queue.add(
    'cancel',
    { tenant_id: tenantId, client_id: clientId },
    { ...PLACE_OPTIONS, removeOnComplete: true },
  );
}

/** Never a custom id: a job that is still known under it would swallow the wake-up. */
export async function addWakeJob(queue: Queue<JobData>, delayMs: number): Promise<void> {
  await queue.add('wake', {}, { ...WAKE_OPTIONS, delay: Math.max(0, Math.round(delayMs)) });
}

/** One a queue: while a sweep's wake-up waits for a worker, or is worked on, there is no use for another. */
export async function addSweepJob(queue: Queue<JobData>): Promise<void> {
  await queue.add('wake', {}, { ...WAKE_OPTIONS, jobId: 'sweep' });
}

/**
 * It overtakes what waits: its age tells whether the queue is consumed, not how long the queue is. One a queue: while nobody takes it, adding it again does nothing.
 * @param sentAt by the database's clock, as what it is compared with
 */
export async function addHeartbeatJob(queue: Queue<JobData>, sentAt: Date): Promise<void> {
  const data = { sent_at: sentAt.toISOString() };
  await queue.add(HEARTBEAT, data, { ...WAKE_OPTIONS, jobId: HEARTBEAT, lifo: true });
}

/** One a task: while it waits for a worker, or is worked on, there is no use for another. */
export async function addUpkeepJob(queue: Queue<JobData>, task: UpkeepTask): Promise<void> {
  await queue.add(task, {}, { ...WAKE_OPTIONS, jobId: task });
}

/** Makes the queue's schedules these ones: what it has beside them is removed. */
export async function keepSchedules(
  queue: Queue<JobData>,
  schedules: Readonly<Record<string, string>>,
): Promise<void> {
  for (const [task, pattern] of Object.entries(schedules)) {
    const job = { name: task, opts: WAKE_OPTIONS };
    await queue.upsertJobScheduler(task, { pattern, tz: 'UTC' }, job);
  }
  for (const { key } of await queue.getJobSchedulers()) {
    if (!(key in schedules)) await queue.removeJobScheduler(key);
  }
}

const heartbeatSchema = z.object({ sent_at: z.iso.datetime().transform((text) => new Date(text)) });

/** Throws on data that is no heartbeat's. */
export function heartbeatSentAt(data: unknown): Date {
  return heartbeatSchema.parse(data).sent_at;
}
