// Connections to what REDIS_URL names. One that asks fails fast and comes back by itself; one that works waits.
import { Cluster, Redis } from 'ioredis';
import type { RedisTarget } from './redis-url.ts';

export type RedisClient = Redis | Cluster;

const CONNECT_TIMEOUT_MS = 5_000;
/** A producer that hangs is worse than one that is told: the intent can be sent again, the sweep finds the rows. */
const COMMAND_TIMEOUT_MS = 5_000;
/**
 * A connection that owes an answer for this long is replaced, and what it owes is asked again; one that owes nothing
 * may be silent. Without it a connection whose other end is gone would be used, in vain, until TCP gives up. Too low:
 * a Redis that is busy is connected to again and again. Below COMMAND_TIMEOUT_MS, so that the command itself may
 * still succeed.
 */
const ASKING_SILENCE_MS = 4_000;
/** Of a worker: above the 10 s that BullMQ waits for a job at most. */
const WORKER_SILENCE_MS = 30_000;
/** A command waits for at most one of these pauses. */
const MAX_ASK_RETRY_MS = 1_000;
const MAX_WORK_RETRY_MS = 2_000;

type Use = {
  /** null: a command waits for Redis to come back; a worker needs that */
  readonly maxRetriesPerRequest: number | null;
  readonly commandTimeout?: number;
  readonly socketTimeout: number;
  readonly retryMs: (times: number) => number;
  /** whether a cluster or a set of sentinels of which none answers is tried again by the client itself */
  readonly isPatient: boolean;
};

/** For a worker: no command fails because Redis is away. Connects with the first one. */
export function openWorkerRedis(target: RedisTarget, maxSilenceMs = WORKER_SILENCE_MS): RedisClient {
  return ending(
    open(target, {
      maxRetriesPerRequest: null,
      socketTimeout: maxSilenceMs,
      retryMs: doubling(MAX_WORK_RETRY_MS),
      isPatient: true,
    }),
  );
}

/**
 * For all that is added and asked: a command fails within seconds when Redis is away, and succeeds again when it is
 * back. Connects with the first one.
 */
export function openAskingRedis(
  target: RedisTarget,
  maxSilenceMs = ASKING_SILENCE_MS,
): { client: RedisClient; close: () => void } {
  const retryMs = doubling(MAX_ASK_RETRY_MS);
  const client = open(target, {
    maxRetriesPerRequest: 1,
    commandTimeout: COMMAND_TIMEOUT_MS,
    socketTimeout: maxSilenceMs,
    retryMs,
    isPatient: false,
  });
  // Clusters and sentinels: a patient client would hold commands, without any limit, until somebody answers. This
  // one gives up, which fails them, and is started anew.
  let timer: NodeJS.Timeout | undefined;
  const reconnect = () => {
    timer = setTimeout(() => {
      client.connect().catch(() => {});
    }, MAX_ASK_RETRY_MS);
  };
  client.on('end', reconnect);
  return {
    client,
    close: () => {
      client.off('end', reconnect);
      clearTimeout(timer);
      client.disconnect();
    },
  };
}

/** ms before the nth try; jitter keeps many processes apart */
function doubling(maxMs: number) {
  return (times: number): number =>
    Math.round(Math.min(50 * 2 ** Math.min(times, 10), maxMs) * (0.8 + Math.random() * 0.2));
}

function open(target: RedisTarget, { retryMs, isPatient, ...use }: Use): RedisClient {
  const common = { ...use, connectTimeout: CONNECT_TIMEOUT_MS, lazyConnect: true };
  const { login } = target;
  switch (target.kind) {
    case 'single':
      return new Redis({
        ...common,
        ...login,
        ...target.host,
        db: target.db,
        retryStrategy: retryMs,
        reconnectOnError: isReplica,
      });
    case 'cluster':
      return new Cluster([...target.hosts], {
        redisOptions: { ...common, ...login },
        lazyConnect: true,
        slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
        clusterRetryStrategy: (times) => (isPatient ? retryMs(times) : null),
        // A certificate is for the name and not for the address behind it.
        ...(login.tls === undefined ? {} : { dnsLookup: keepName }),
      });
    case 'sentinel': {
      const { password, tls } = login;
      return new Redis({
        ...common,
        ...login,
        // Sentinels seldom have users; one that wants no password takes any.
        ...(password === undefined ? {} : { sentinelPassword: password }),
        ...(tls === undefined ? {} : { sentinelTLS: tls, enableTLSForSentinelMode: true }),
        sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
        sentinelRetryStrategy: (times) => (isPatient ? retryMs(times) : null),
        retryStrategy: retryMs,
        reconnectOnError: isReplica,
        sentinels: [...target.hosts],
        name: target.master,
        db: target.db,
      });
    }
  }
}

/** The name of a hosted Redis points to another server after a failover; the old one lives on as a replica. */
function isReplica(error: Error): boolean {
  return error.message.startsWith('READONLY');
}

/** Every server that holds keys; connects first, for a cluster that is not connected knows none. */
export async function connectedMasters(client: RedisClient): Promise<readonly Redis[]> {
  await client.ping();
  if (client instanceof Redis) return [client];
  const masters = client.nodes('master');
  if (masters.length === 0) throw new Error('the cluster has no master');
  return masters;
}

function keepName(name: string, callback: (error: null, address: string) => void): void {
  callback(null, name);
}

/**
 * Two ways in which who waits for a client's end, as BullMQ's Worker.close does, waits for ever: a client that is
 * closed between two tries forgets the next one without a word (bullmq#4585), one that has not begun yet does end;
 * and what is kept to be sent again when the connection is back is not failed by the end.
 */
function ending<Client extends RedisClient>(client: Client): Client {
  const { disconnect, duplicate } = client;
  client.on('end', () => failKept(client));
  return Object.assign(client, {
    disconnect: (reconnect = false) => {
      if (client.status === 'reconnecting' && !reconnect) client.status = 'wait';
      disconnect.call(client, reconnect);
    },
    duplicate: (...changes: unknown[]): Client => ending(Reflect.apply(duplicate, client, changes)),
  });
}

type Kept = { readonly shift: () => { readonly command: { reject: (error: Error) => void } } | undefined };

/** What a broken connection had not answered: ioredis keeps it under this name, and its end fails all but this. */
function failKept(client: RedisClient): void {
  const kept: Kept | null | undefined = Reflect.get(client, 'prevCommandQueue');
  for (let item = kept?.shift(); item !== undefined; item = kept?.shift()) {
    item.command.reject(new Error('Connection is closed.'));
  }
}
