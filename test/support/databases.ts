// A database per test file, cloned from the migrated template.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { inject } from 'vitest';
import { type Database, openDatabase } from '../../src/store/database.ts';

export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

export async function administer(serverUrl: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

export type TestDatabase = AsyncDisposable & { readonly url: string; readonly db: Database };

/** @param template empty: a database without any table */
export async function createDatabase(template: 'migrated' | 'empty' = 'migrated'): Promise<TestDatabase> {
  const serverUrl = inject('serverUrl');
  const name = `router_${randomUUID().replaceAll('-', '')}`;
  const source = template === 'migrated' ? inject('templateName') : 'template0';
  await administer(serverUrl, `CREATE DATABASE ${name} TEMPLATE ${source}`);
  const url = urlOf(serverUrl, name);
  const db = openDatabase({ url });
  return {
    url,
    db,
    [Symbol.asyncDispose]: async () => {
      await db.destroy();
      await administer(serverUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
    },
  };
}
