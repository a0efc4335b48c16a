// Reads REDIS_URL: one server, a set of sentinels, or a cluster. Passwords stay out of every message.
import { Cluster, Redis } from 'ioredis';

type Host = { readonly host: string; readonly port: number };

type Login = { readonly username?: string; readonly password?: string; readonly tls?: object };

export type RedisTarget =
  | { readonly kind: 'single'; readonly url: string }
  /** hosts are the sentinels; they name the server that is the master now */
  | {
      readonly kind: 'sentinel';
      readonly hosts: readonly Host[];
      readonly master: string;
      readonly db: number;
      readonly login: Login;
    }
  /** hosts are some of the nodes; they name the others */
  | { readonly kind: 'cluster'; readonly hosts: readonly Host[]; readonly login: Login };

const MANY =
  /^(?<scheme>rediss?)-(?<kind>sentinel|cluster):\/\/(?:(?<user>[^:@/]*)(?::(?<password>[^@/]*))?@)?(?<hosts>[^/]+)(?:\/(?<master>[^/]*))?(?:\/(?<db>\d+))?$/;
const HOST = /^(?:\[(?<v6>[^\]]+)\]|(?<name>[^:]+))(?::(?<port>\d{1,5}))?$/;

/**
 * Forms: `redis://[user:password@]host[:6379][/db]`, `redis-sentinel://[…@]host1[:26379],host2/master[/db]`,
 * `redis-cluster://[…@]host1[:6379],host2`; with TLS rediss://, rediss-sentinel://, rediss-cluster://.
 * User and password are percent-encoded. Throws an Error that does not repeat the URL.
 */
export function parseRedisUrl(url: string): RedisTarget {
  if (/^rediss?:\/\//.test(url)) {
    if (!URL.canParse(url))
      throw new Error('REDIS_URL is no URL of the form redis://[user:password@]host:port[/db]');
    return { kind: 'single', url };
  }
  const parts = MANY.exec(url)?.groups;
  const kind = parts?.['kind'];
  if (parts === undefined || (kind !== 'sentinel' && kind !== 'cluster')) {
    throw new Error(
      'REDIS_URL is none of redis://host, redis-sentinel://host1,host2/master, redis-cluster://host1,host2',
    );
  }
  const hosts = (parts['hosts'] ?? '')
    .split(',')
    .map((text) => hostOf(text, kind === 'sentinel' ? 26_379 : 6_379));
  const login: Login = {
    ...(parts['user'] ? { username: decodeURIComponent(parts['user']) } : {}),
    ...(parts['password'] ? { password: decodeURIComponent(parts['password']) } : {}),
    ...(parts['scheme'] === 'rediss' ? { tls: {} } : {}),
  };
  if (kind === 'cluster') {
    if (parts['master'])
      throw new Error('REDIS_URL: a cluster has no database number: redis-cluster://host1,host2');
    return { kind, hosts, login };
  }
  const master = parts['master'] ?? '';
  if (master === '')
    throw new Error("REDIS_URL names no master: redis-sentinel://host1,host2/NAME (sentinel's name for it)");
  return { kind, hosts, master, db: Number(parts['db'] ?? 0), login };
}

function hostOf(text: string, defaultPort: number): Host {
  const parts = HOST.exec(text)?.groups;
  const host = parts?.['v6'] ?? parts?.['name'];
  const port = Number(parts?.['port'] ?? defaultPort);
  if (host === undefined || port < 1 || port > 65_535)
    throw new Error(`REDIS_URL: ${text} is no host[:port]`);
  return { host, port };
}

/** What the use of a connection asks of it. */
type RedisUse = {
  /** null: a command waits for Redis to come back; a worker needs that */
  readonly maxRetriesPerRequest: number | null;
  /** ms */
  readonly commandTimeout?: number;
  /** ms */
  readonly connectTimeout: number;
};

/** Connects with the first command. */
export function openRedis(url: string, options: RedisUse): Redis | Cluster {
  const target = parseRedisUrl(url);
  const lazy = { ...options, lazyConnect: true };
  if (target.kind === 'single') return new Redis(target.url, lazy);
  if (target.kind === 'cluster') {
    return new Cluster([...target.hosts], { redisOptions: { ...lazy, ...target.login }, lazyConnect: true });
  }
  const { password, tls, ...rest } = target.login;
  return new Redis({
    ...lazy,
    ...rest,
    ...(password === undefined ? {} : { password, sentinelPassword: password }),
    ...(tls === undefined ? {} : { tls, enableTLSForSentinelMode: true }),
    sentinels: [...target.hosts],
    name: target.master,
    db: target.db,
  });
}
