// How a Redis may lose the jobs that it has acknowledged: by evicting them, or by not writing them to a disk.
// INFO is asked and not CONFIG: hosted servers often refuse the latter.
import type { Cluster, Redis } from 'ioredis';

export async function redisHazards(redis: Redis | Cluster): Promise<string[]> {
  const nodes = redis.isCluster ? (redis as Cluster).nodes('master') : [redis as Redis];
  const found = await Promise.all(
    nodes.map(async (node) => hazardsIn(`${await node.info('memory')}\n${await node.info('persistence')}`)),
  );
  return [...new Set(found.flat())];
}

/** @param info sections memory and persistence of INFO */
export function hazardsIn(info: string): string[] {
  const value = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
  const hazards: string[] = [];
  const policy = value('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    hazards.push(
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}) and would lose jobs: set noeviction`,
    );
  }
  if (value('aof_enabled') === '0') {
    hazards.push(
      'Redis does not write each job to its disk (appendonly no) and loses the latest ones in a crash: set appendonly yes and appendfsync always',
    );
  }
  return hazards;
}
