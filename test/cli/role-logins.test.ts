// The login of a process, out of the URL that it reads; what is wrong is told without what is in the file.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readLogin } from '../../src/cli/role-logins.ts';

const folder = mkdtempSync(join(tmpdir(), 'router-logins-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'url');
const loginIn = (text: string) => {
  writeFileSync(file, text);
  return readLogin({ role: 'cryptopulse_worker', file });
};

test('user and password are those of the URL, decoded', () => {
  expect(loginIn('postgresql://me%40here:a%3Ab@db/router\n')).toEqual({
    role: 'cryptopulse_worker',
    user: 'me@here',
    password: 'a:b',
  });
});

test.each([
  '',
  'hunter2',
  'mysql://me:hunter2@db/router',
  'postgresql://me@hunter2/router',
  'postgresql://:hunter2@db/router',
])('%j is no login', (text) => {
  expect(() => loginIn(text)).toThrow(/url: must hold a URL such as/);
  expect(() => loginIn(text)).not.toThrow(/hunter2/);
});
