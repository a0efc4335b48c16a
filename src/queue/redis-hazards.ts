// How a Redis may lose the jobs that it has acknowledged: by evicting them, or by not writing them to a disk.
// INFO is asked and not CONFIG: hosted servers often refuse the latter.
import type { Redis } from 'ioredis';
import { connectedMasters, type RedisClient } from './open-redis.ts';

export async function redisHazards(client: RedisClient): Promise<string[]> {
  const found = await Promise.all(
    (await connectedMasters(client)).map(async (node) => hazardsIn(await askInfo(node))),
  );
  return [...new Set(found.flat())];
}

const REFUSED = /^NOPERM|unknown command/;

/** Empty where INFO is refused. */
async function askInfo(node: Redis): Promise<string> {
  try {
    return `${await node.info('memory')}\n${await node.info('persistence')}`;
  } catch (error) {
    if (error instanceof Error && REFUSED.test(error.message)) return '';
    throw error;
  }
}

/** Reads one field of what INFO answered. */
export function infoReader(info: string): (name: string) => string | undefined {
  return (name) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1];
}

/** @param info sections memory and persistence of INFO */
export function hazardsIn(info: string): string[] {
  const value = infoReader(info);
  const hazards: string[] = [];
  const policy = value('maxmemory_policy');
  if (policy === undefined) {
    hazards.push(cannotTell('evicts keys when its memory is full'));
  } else if (policy !== 'noeviction') {
    hazards.push(
      `Redis evicts keys when its memory is full (maxmemory-policy ${policy}) and would lose jobs: set noeviction`,
    );
  }
  const aof = value('aof_enabled');
  if (aof === undefined) {
    hazards.push(cannotTell('writes each job to its disk'));
  } else if (aof !== '1') {
    hazards.push(
      'Redis does not write each job to its disk (appendonly no) and loses the latest ones in a crash: set appendonly yes and appendfsync always',
    );
  }
  return hazards;
}

function cannotTell(what: string): string {
  return `cannot tell whether Redis ${what}: INFO is refused or incomplete, let the user of REDIS_URL ask it`;
}
