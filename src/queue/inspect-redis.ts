// What `router doctor` asks a Redis: facts only, nothing is written, nothing is judged.
import type { Redis } from 'ioredis';
import { connectedMasters, openAskingRedis } from './open-redis.ts';
import { explainErrorsOf } from './redis-errors.ts';
import { infoReader } from './redis-hazards.ts';
import { parseRedisUrl, type RedisTarget } from './redis-url.ts';

/** Of one server, or of one master of a cluster. */
export type RedisFacts = {
  readonly kind: RedisTarget['kind'];
  /** `redis 7.0.15`, `valkey 8.0.1` */
  readonly version: string;
  /** standalone, cluster, sentinel */
  readonly mode: string;
  readonly policy: string | undefined;
  readonly isAppendOnly: boolean | undefined;
  /** always, everysec, no; undefined where CONFIG is refused, as hosted servers do */
  readonly appendfsync: string | undefined;
  /** the last write to the append-only file failed */
  readonly isAofBroken: boolean;
  readonly minReplicasToWrite: number | undefined;
  readonly usedMemory: string;
};

export async function inspectRedis(url: string): Promise<readonly RedisFacts[]> {
  const target = parseRedisUrl(url);
  const { client, close } = openAskingRedis(target);
  const explain = explainErrorsOf(client, target.kind);
  try {
    const nodes = await connectedMasters(client);
    return await Promise.all(nodes.map((node) => inspectNode(node, target.kind)));
  } catch (error) {
    throw explain(error);
  } finally {
    close();
  }
}

async function inspectNode(node: Redis, kind: RedisTarget['kind']): Promise<RedisFacts> {
  const value = infoReader(await node.info());
  const setting = async (name: string): Promise<string | undefined> => {
    const reply: unknown = await node.config('GET', name).catch(() => []);
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined;
  };
  const valkey = value('valkey_version');
  const aof = value('aof_enabled');
  const minReplicas = await setting('min-replicas-to-write');
  return {
    kind,
    version: valkey === undefined ? `redis ${value('redis_version') ?? '?'}` : `valkey ${valkey}`,
    mode: value('redis_mode') ?? value('server_mode') ?? 'standalone',
    policy: value('maxmemory_policy'),
    isAppendOnly: aof === undefined ? undefined : aof === '1',
    appendfsync: await setting('appendfsync'),
    isAofBroken: [value('aof_last_write_status'), value('aof_last_bgrewrite_status')].includes('err'),
    minReplicasToWrite: minReplicas === undefined ? undefined : Number(minReplicas),
    usedMemory: value('used_memory_human') ?? '?',
  };
}
