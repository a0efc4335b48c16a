// An operator reads one line: what failed, and what to do where the bare error does not say it.
import { describe, expect, test } from 'vitest';
import { readableError } from '../../src/ops/readable-error.ts';

const coded = (code: string, message: string) => Object.assign(new Error(message), { code });

describe('a hint stands behind', () => {
  const HINTS: readonly (readonly [string, Error, string])[] = [
    ['a refused connection', coded('ECONNREFUSED', 'connect'), 'is the database running'],
    ['an unknown host', coded('ENOTFOUND', 'getaddrinfo'), 'is the host name right?'],
    ['a wrong password', coded('28P01', 'password authentication failed'), 'check user and password'],
    ['a user who may not', coded('28000', 'no pg_hba.conf entry'), 'check user and password'],
    ['a missing database', coded('3D000', 'database "x" does not exist'), 'create it'],
    ['a folder instead of a file', coded('EISDIR', 'illegal operation'), 'give a file'],
    ['a server that is full', coded('53300', 'too many clients already'), 'close connections'],
    ['a role that may not', coded('42501', 'permission denied for table orders'), 'grant it'],
  ];
  for (const [name, error, hint] of HINTS) {
    test(name, () => {
      expect(readableError(error).startsWith(`${error.message}: ${hint}`)).toBe(true);
    });
  }
});

test('an error that needs no hint is its message', () => {
  expect(readableError(new Error('LOG_LEVEL must be one of …'))).toBe('LOG_LEVEL must be one of …');
  expect(readableError(coded('23505', 'duplicate key'))).toBe('duplicate key');
});

test('of many errors the first is told', () => {
  const both = new AggregateError([coded('ECONNREFUSED', 'connect ::1'), coded('ECONNREFUSED', 'connect')]);
  expect(readableError(both)).toMatch(/^connect ::1: is the database running/);
  expect(readableError(new AggregateError([], 'none worked'))).toBe('none worked');
});

test('what is no error is told as it is', () => {
  expect(readableError('stopped')).toBe('stopped');
  expect(readableError(undefined)).toBe('undefined');
});
