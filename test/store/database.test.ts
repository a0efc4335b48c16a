// The pool: hot statements are prepared by name, and a lost connection is an error of its statement and no more.
import { spawn } from 'node:child_process';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { sql } from 'kysely';
import { describe, expect, onTestFinished, test } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { createDatabase } from '../support/databases.ts';
import { openSession, untilBlocked } from './builders.ts';

test('a statement that asks for it is prepared by its name, and no other one', async () => {
  await using database = await createDatabase();
  const db = openDatabase({ url: database.url, maxConnections: 1 });
  const ask = (n: number) =>
    sql<{ n: number }>`/* prepared: add_one */ SELECT ${n}::int + 1 AS n`.execute(db);
  expect((await ask(1)).rows).toEqual([{ n: 2 }]);
  expect((await ask(2)).rows).toEqual([{ n: 3 }]);
  expect((await sql<{ n: number }>`SELECT ${5}::int AS n`.execute(db)).rows).toEqual([{ n: 5 }]);
  const { rows } = await sql<{ name: string }>`SELECT name FROM pg_prepared_statements`.execute(db);
  expect(rows).toEqual([{ name: 'add_one' }]);
  await db.destroy();
});

test('it says who it is, and gives up a statement that waits too long', async () => {
  await using database = await createDatabase();
  const db = openDatabase({ url: database.url, applicationName: 'who' });
  const show = async (name: string) =>
    (await sql<{ value: string }>`SELECT current_setting(${name}) AS value`.execute(db)).rows[0]?.value;
  expect(await show('application_name')).toBe('who');
  expect(await show('statement_timeout')).toBe('30s');
  expect(await show('lock_timeout')).toBe('10s');
  expect(await show('idle_in_transaction_session_timeout')).toBe('30s');
  await db.destroy();
});

test('who migrates waits not long for a lock, and otherwise as long as it takes, whatever the login has', async () => {
  await using database = await createDatabase();
  const name = new URL(database.url).pathname.slice(1);
  await sql.raw(`ALTER DATABASE ${name} SET statement_timeout = '30s'`).execute(database.db);
  const db = openDatabase({ url: database.url, isUnhurried: true });
  const { rows } = await sql<{ statement: string; lock: string }>`
    SELECT current_setting('statement_timeout') AS statement, current_setting('lock_timeout') AS lock`.execute(
    db,
  );
  expect(rows).toEqual([{ statement: '0', lock: '10s' }]);
  await db.destroy();
});

/** Passes everything on to the server until it is told to break. */
async function fragileProxy(url: string) {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => {});
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const through = new URL(url);
  through.port = String(address.port);
  const cut = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: through.href,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe('a process outlives the loss of its connection', () => {
  test.each([
    ['statement', 'the server ends the session'],
    ['statement', 'the network breaks'],
    ['transaction', 'the server ends the session'],
    ['transaction', 'the network breaks'],
    ['maintenance', 'the server ends the session'],
    ['maintenance', 'the network breaks'],
  ] as const)('in a %s, when %s', async (mode, loss) => {
    await using database = await createDatabase();
    await using proxy = await fragileProxy(database.url);
    await using session = await openSession(database.url);
    await session.query('BEGIN');
    await session.query('SELECT pg_advisory_xact_lock(42)');
    await session.query('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'connection-loss.ts'), proxy.url, mode],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    const output: string[] = [];
    const errors: string[] = [];
    child.stdout.on('data', (chunk) => output.push(String(chunk)));
    child.stderr.on('data', (chunk) => errors.push(String(chunk)));
    const exit = new Promise((resolve) => child.on('close', resolve));
    onTestFinished(() => {
      child.kill();
    });
    const [pid] = await untilBlocked(database.db);
    if (loss === 'the network breaks') proxy.cut();
    else await sql`SELECT pg_terminate_backend(${pid})`.execute(database.db);
    expect([
      await exit,
      output.join(''),
      errors.join('').match(/Unhandled 'error' event|Error: .*/)?.[0],
    ]).toEqual([0, 'lost\ngoes on\n', undefined]);
  });
});
