// REDIS_URL in all its forms, and what a malformed one is answered with: never with a part of itself.
import { describe, expect, test } from 'vitest';
import { parseRedisUrl } from '../../src/queue/redis-url.ts';

const single = (host: string, port: number, db = 0, login: object = {}) => ({
  kind: 'single',
  host: { host, port },
  db,
  login,
});

test.each([
  ['redis://cache', single('cache', 6379)],
  ['redis://cache/', single('cache', 6379)],
  ['REDIS://cache:6380/3', single('cache', 6380, 3)],
  ['redis://127.0.0.1:1', single('127.0.0.1', 1)],
  ['redis://[::1]:6380/1', single('::1', 6380, 1)],
  ['redis://[fe80::1%eth0]', single('fe80::1%eth0', 6379)],
  ['redis://[::ffff:10.0.0.1]', single('::ffff:10.0.0.1', 6379)],
  ['rediss://my_cache-1.example.org:65535', single('my_cache-1.example.org', 65535, 0, { tls: {} })],
  ['redis://:hunter2@cache', single('cache', 6379, 0, { password: 'hunter2' })],
  ['redis://app:hunter2@cache', single('cache', 6379, 0, { username: 'app', password: 'hunter2' })],
  // Generated passwords are pasted as they are.
  ['redis://app:a:b/c@d?e#f@cache/2', single('cache', 6379, 2, { username: 'app', password: 'a:b/c@d?e#f' })],
  ['redis://a%3Ab:%40%2F%25%C3%A9@cache', single('cache', 6379, 0, { username: 'a:b', password: '@/%é' })],
  ['redis://@cache', single('cache', 6379)],
])('%s is one server', (url, target) => {
  expect(parseRedisUrl(url)).toEqual(target);
});

test.each([
  [
    'redis-sentinel://s1,s2:26380,[::1]/mymaster',
    {
      kind: 'sentinel',
      hosts: [
        { host: 's1', port: 26379 },
        { host: 's2', port: 26380 },
        { host: '::1', port: 26379 },
      ],
      master: 'mymaster',
      db: 0,
      login: {},
    },
  ],
  [
    'rediss-sentinel://app:p%40ss@s1/my%20master/2',
    {
      kind: 'sentinel',
      hosts: [{ host: 's1', port: 26379 }],
      master: 'my master',
      db: 2,
      login: { username: 'app', password: 'p@ss', tls: {} },
    },
  ],
  [
    'redis-cluster://:hunter2@c1,c2:7001',
    {
      kind: 'cluster',
      hosts: [
        { host: 'c1', port: 6379 },
        { host: 'c2', port: 7001 },
      ],
      login: { password: 'hunter2' },
    },
  ],
  ['rediss-cluster://c1/', { kind: 'cluster', hosts: [{ host: 'c1', port: 6379 }], login: { tls: {} } }],
])('%s is several', (url, target) => {
  expect(parseRedisUrl(url)).toEqual(target);
});

describe('a malformed one', () => {
  test.each([
    ['', 'must be redis://host'],
    ['hunter2', 'must be redis://host'],
    ['cache:6379', 'must be redis://host'],
    ['http://:hunter2@cache', 'must be redis://host'],
    ['redis:/hunter2@cache', 'must be redis://host'],
    ['redis+tls://:hunter2@cache', 'must be redis://host'],
    ['redis://', 'must name host[:port] in place 1'],
    ['redis:///0', 'must name host[:port] in place 1'],
    // The @ is forgotten.
    ['redis://:hunter2', 'must name host[:port] in place 1'],
    ['redis://app:hunter2:6379', 'must name host[:port] in place 1'],
    ['redis://:hunter2@', 'must name host[:port] in place 1'],
    ['redis://:hunter2@cache:0', 'with a port up to 65535'],
    ['redis://:hunter2@cache:65536', 'with a port up to 65535'],
    ['redis://:hunter2@cache:port', 'with a port up to 65535'],
    ['redis://:hunter2@::1:6379', 'IPv6 in brackets'],
    ['redis://:hunter2@[::1', 'IPv6 in brackets'],
    ['redis://:hunter2@cache hunter2', 'must name host[:port]'],
    ['redis://hunter2@cache', 'a user without a password'],
    ['redis://hunter2:@cache', 'a user without a password'],
    ['redis://:hunter2%@cache', 'write % as %25'],
    ['redis://:hunter2@cache/jobs', 'must end with a database number'],
    ['redis://:hunter2@cache/-1', 'must end with a database number'],
    ['redis://:hunter2@cache/0/1', 'must end with host[:port][/db]'],
    ['redis://:hunter2@cache?family=6', 'takes no query'],
    ['redis://:hunter2@cache/0#1', 'takes no query'],
    ['redis://:hunter2@a,b', 'has several hosts'],
    ['redis-sentinel://:hunter2@a,b', 'names no master'],
    ['redis-sentinel://:hunter2@a,b//0', 'names no master'],
    ['redis-sentinel://:hunter2@a,,b/m', 'in place 2'],
    ['redis-sentinel://:hunter2@a/m/x', 'must end with a database number'],
    ['redis-sentinel://:hunter2@a/m/0/1', 'must end with host1,host2/master'],
    ['redis-sentinel://:hunter2@a/m%', 'write % as %25'],
    ['redis-cluster://:hunter2@a/0', 'a cluster has no database number'],
    ['redis-cluster://:hunter2@a,b:x', 'in place 2'],
  ])('%j: %s', (url, why) => {
    const parse = () => parseRedisUrl(url);
    expect(parse).toThrow(/^REDIS_URL /);
    expect(parse).toThrow(why);
    expect(parse).not.toThrow(/hunter2/);
  });
});
