// docker-compose.yml passes every setting on: one that it leaves out would be ignored in containers without a word.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { environmentSchema } from '../../src/config.ts';

/** Fixed by the image, or by the containers' own file system and secrets. */
const NOT_PASSED = [
  'NODE_ENV',
  'HOST',
  'PORT',
  'DATA_DIR',
  'DATABASE_URL',
  // There is no pooler among the containers.
  'DATABASE_DIRECT_URL',
  'DATABASE_DIRECT_URL_FILE',
  // The image has no client tools of PostgreSQL: backups are made outside of it.
  'BACKUP_SCHEDULE',
  'BACKUP_DIR',
  'BACKUP_KEEP_DAYS',
  'BACKUP_DATABASE_URL',
  'BACKUP_DATABASE_URL_FILE',
  'PG_BIN_DIR',
  'REDIS_URL',
  'DYDX_PRIVATE_KEY',
  'DYDX_MNEMONIC',
];

test('docker-compose.yml names every variable that the router reads', () => {
  const text = readFileSync(join(import.meta.dirname, '..', '..', 'docker-compose.yml'), 'utf8');
  const named = new Set([...text.matchAll(/^ +([A-Z][A-Z0-9_]*): /gm)].map(([, name = '']) => name));
  const missing = Object.keys(environmentSchema.shape).filter(
    (name) => !named.has(name) && !NOT_PASSED.includes(name),
  );
  expect(missing).toEqual([]);
});
