// Each error of Redis is one line that names the variable and what to do.
import { expect, test } from 'vitest';
import { describeRedisError } from '../../src/queue/redis-errors.ts';

test.each([
  [
    'WRONGPASS invalid username-password pair or user is disabled.',
    'single',
    'check user and password in it',
  ],
  ['NOAUTH HELLO must be called with the client already authenticated', 'single', 'it lacks the password'],
  ["NOPERM User app has no permissions to run the 'info' command", 'single', 'its user needs all commands'],
  ['connect ECONNREFUSED 127.0.0.1:6379', 'single', 'is Redis running, are host and port right?'],
  ['connect ECONNREFUSED 127.0.0.1:6379', 'cluster', 'is one of these running'],
  ['getaddrinfo ENOTFOUND cache', 'single', 'is the host name right?'],
  ['connect ETIMEDOUT', 'single', 'nothing answers there'],
  ['Command timed out', 'cluster', 'nothing answers there'],
  ['ERR No such master with that name', 'sentinel', 'no master of the name'],
  ['ERR This instance has cluster support disabled', 'cluster', 'this is no cluster'],
  ['MOVED 3999 127.0.0.1:6381', 'single', 'write redis-cluster://'],
  ['self-signed certificate in certificate chain', 'single', 'NODE_EXTRA_CA_CERTS'],
  ['LOADING Redis is loading the dataset in memory', 'single', 'wait'],
  ['something new', 'single', 'is Redis running?'],
] as const)('%s', (message, kind, what) => {
  const line = describeRedisError(new Error(message), kind);
  expect(line).toMatch(/^REDIS_URL: .*[^.]: [^:]/);
  expect(line).toContain(what);
  expect(line).not.toContain('\n');
});

test('of what a cluster wraps, the cause is told', () => {
  const wrapped = Object.assign(new Error('Failed to refresh slots cache.'), {
    lastNodeError: new Error('connect ECONNREFUSED 10.0.0.1:6379'),
  });
  expect(describeRedisError(wrapped, 'cluster')).toMatch(/^REDIS_URL: connect ECONNREFUSED 10.0.0.1:6379: /);
});
