// Reads REDIS_URL: one server, a set of sentinels, or a cluster. Nothing of the URL is repeated in a message: where a
// password stands is what a malformed URL leaves open.

type RedisHost = { readonly host: string; readonly port: number };

type RedisLogin = {
  readonly username?: string;
  readonly password?: string;
  /** with TLS, certificates checked by Node's roots and NODE_EXTRA_CA_CERTS */
  readonly tls?: object;
};

export type RedisTarget =
  | { readonly kind: 'single'; readonly host: RedisHost; readonly db: number; readonly login: RedisLogin }
  /** hosts are the sentinels; they name the server that is the master now */
  | {
      readonly kind: 'sentinel';
      readonly hosts: readonly RedisHost[];
      readonly master: string;
      readonly db: number;
      readonly login: RedisLogin;
    }
  /** hosts are some of the nodes; they name the others */
  | { readonly kind: 'cluster'; readonly hosts: readonly RedisHost[]; readonly login: RedisLogin };

const SCHEMES = {
  redis: { kind: 'single', isTls: false },
  rediss: { kind: 'single', isTls: true },
  'redis-sentinel': { kind: 'sentinel', isTls: false },
  'rediss-sentinel': { kind: 'sentinel', isTls: true },
  'redis-cluster': { kind: 'cluster', isTls: false },
  'rediss-cluster': { kind: 'cluster', isTls: true },
} as const;

const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;

/** `[::1]:6379`, `name:6379`, `name` */
const HOST = /^(?:\[(?<v6>[\da-f:.]+(?:%[\w.-]+)?)\]|(?<name>[\w.-]+))(?::(?<port>\d{1,5}))?$/i;

/**
 * Forms: `redis://[user:password@]host[:6379][/db]`, `redis-sentinel://[…@]host1[:26379],host2/master[/db]`,
 * `redis-cluster://[…@]host1[:6379],host2`; with TLS rediss://, rediss-sentinel://, rediss-cluster://.
 * User, password and master are percent-encoded; the last @ ends them. Throws an Error that says what to write.
 */
export function parseRedisUrl(url: string): RedisTarget {
  const [, name = '', rest = ''] = /^([a-z-]+):\/\/(.*)$/is.exec(url) ?? [];
  const scheme = Object.entries(SCHEMES).find(([known]) => known === name.toLowerCase())?.[1];
  if (scheme === undefined) {
    throw malformed(
      'must be redis://host, redis-sentinel://host1,host2/master or redis-cluster://host1,host2 (with TLS rediss…)',
    );
  }
  const at = rest.lastIndexOf('@');
  const place = rest.slice(at + 1);
  if (/[?#]/.test(place)) throw malformed('takes no query: leave away what begins with ? or #');
  const login: RedisLogin = {
    ...(at < 0 ? {} : readLogin(rest.slice(0, at))),
    ...(scheme.isTls ? { tls: {} } : {}),
  };
  const [hostList = '', ...path] = place.replace(/\/$/, '').split('/');
  const hosts = readHosts(hostList, scheme.kind === 'sentinel' ? SENTINEL_PORT : REDIS_PORT);
  switch (scheme.kind) {
    case 'single': {
      const [host] = hosts;
      if (host === undefined || hosts.length > 1) {
        throw malformed('has several hosts: write redis-sentinel:// or redis-cluster:// for these');
      }
      if (path.length > 1) throw malformed('must end with host[:port][/db]');
      return { kind: 'single', host, db: readDb(path[0]), login };
    }
    case 'cluster':
      if (path.length > 0) throw malformed('has a path, but a cluster has no database number');
      return { kind: 'cluster', hosts, login };
    case 'sentinel': {
      const [master = '', db, ...more] = path;
      if (master === '') {
        throw malformed("names no master: redis-sentinel://host1,host2/NAME, by the sentinels' name for it");
      }
      if (more.length > 0) throw malformed('must end with host1,host2/master[/db]');
      return { kind: 'sentinel', hosts, master: decode(master), db: readDb(db), login };
    }
  }
}

function readLogin(text: string): RedisLogin {
  const colon = text.indexOf(':');
  const username = decode(colon < 0 ? text : text.slice(0, colon));
  const password = colon < 0 ? '' : decode(text.slice(colon + 1));
  // Redis has no user without a password to prove it: this is a password without its colon.
  if (username !== '' && password === '') {
    throw malformed(
      'has a user without a password: write redis://user:password@host or redis://:password@host',
    );
  }
  return { ...(username === '' ? {} : { username }), ...(password === '' ? {} : { password }) };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw malformed('is not percent-encoded: write % as %25');
  }
}

function readHosts(text: string, defaultPort: number): readonly RedisHost[] {
  return text.split(',').map((part, index) => {
    const groups = HOST.exec(part)?.groups;
    const host = groups?.['v6'] ?? groups?.['name'];
    const port = Number(groups?.['port'] ?? defaultPort);
    if (host === undefined || port < 1 || port > 65_535) {
      throw malformed(
        `must name host[:port] in place ${index + 1}, with a port up to 65535 (IPv6 in brackets, a password before @)`,
      );
    }
    return { host, port };
  });
}

function readDb(text: string | undefined): number {
  if (text === undefined) return 0;
  if (!/^\d{1,5}$/.test(text)) throw malformed('must end with a database number such as /0, or without any');
  return Number(text);
}

function malformed(what: string): Error {
  return new Error(`REDIS_URL ${what}`);
}
