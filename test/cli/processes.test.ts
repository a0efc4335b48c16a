import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from '../../src/cli/folder-lock.ts';
import { nextPause, startProcess, within } from '../../src/cli/processes.ts';
import { exitOf } from '../support/router.ts';

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'router-processes-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function script(folder: string, name: string, code: string): string {
  const file = join(folder, name);
  writeFileSync(file, code);
  return file;
}

const locksIn = (folder: string) => readdirSync(folder).filter((file) => file.endsWith('.lock'));

/** A process whose command line is that of `router up`. */
async function startFakeUp(folder: string, word = 'up'): Promise<ChildProcess> {
  const file = script(folder, 'cli.ts', 'process.send("here"); setInterval(() => {}, 1000)');
  const child = spawn(process.execPath, [file, word], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(child, 'message');
  return child;
}

test('a folder is locked by a living `up` only: not by a dead one, another program, or what is no lock', async () => {
  const folder = temporaryFolder();
  const dead = await startFakeUp(folder);
  dead.kill('SIGKILL');
  await exitOf(dead);
  const other = await startFakeUp(folder, 'paper');
  for (const pid of [dead.pid, other.pid, process.pid]) writeFileSync(join(folder, `up.${pid}.abc.lock`), '');
  for (const name of ['up.pid', 'up..lock', 'up.x.abc.lock']) writeFileSync(join(folder, name), '');
  const unlock = await lockFolder(folder);
  expect(locksIn(folder).filter((name) => /^up\.\d/.test(name))).toEqual([
    expect.stringMatching(`^up\\.${process.pid}\\.[0-9a-f]{16}\\.lock$`),
  ]);
  unlock();
  unlock();

  const living = await startFakeUp(folder);
  writeFileSync(join(folder, `up.${living.pid}.abc.lock`), '');
  await expect(lockFolder(folder)).rejects.toThrow(`process ${living.pid} is already using ${folder}`);
  living.kill('SIGKILL');
  await exitOf(living);
  (await lockFolder(folder))();
});

test('of many starters at once exactly one gets the folder', async () => {
  const folder = temporaryFolder();
  const data = join(folder, 'data');
  const source = join(import.meta.dirname, '..', '..', 'src', 'cli', 'folder-lock.ts');
  const file = script(
    folder,
    'cli.ts',
    `import { lockFolder } from ${JSON.stringify(source)};
     process.once('message', () => lockFolder(${JSON.stringify(data)}).then(
       () => process.send('locked'),
       (error) => process.send(error.message),
     ));
     setInterval(() => {}, 1000);
     process.send('ready');`,
  );
  for (let round = 0; round < 3; round += 1) {
    rmSync(data, { recursive: true, force: true });
    mkdirSync(data);
    const starters = Array.from({ length: 5 }, () =>
      spawn(process.execPath, [file, 'up'], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }),
    );
    await Promise.all(starters.map((starter) => once(starter, 'message')));
    const answers = starters.map(async (starter) => String((await once(starter, 'message'))[0]));
    for (const starter of starters) starter.send('go');
    const all = await Promise.all(answers);
    for (const starter of starters) starter.kill('SIGKILL');
    await Promise.all(starters.map(exitOf));
    expect(all.filter((answer) => answer === 'locked')).toHaveLength(1);
    expect(all.filter((answer) => answer.includes('is already using'))).toHaveLength(4);
  }
});

test('a child that dies is started again with the arguments for later, and ends when it is stopped', async () => {
  const folder = temporaryFolder();
  const file = script(
    folder,
    'child.mjs',
    `import { appendFileSync } from 'node:fs';
     appendFileSync(${JSON.stringify(join(folder, 'starts'))}, process.argv[2] + ' ' + process.pid + '\\n');
     console.log('said by', process.argv[2]);
     process.send(4711);
     setInterval(() => {}, 1000);`,
  );
  const starts = () => readFileSync(join(folder, 'starts'), 'utf8').trim().split('\n');
  const exits: unknown[] = [];
  const spec = {
    name: 'child',
    args: [file, '0'],
    env: {},
    argsAgain: (port: unknown) => [file, String(port)],
  };
  const running = startProcess(spec, join(folder, 'logs'), (...exit) => exits.push(exit));
  onTestFinished(() => running.stop(0));
  expect(await running.ready).toBe(4711);
  process.kill(Number(starts()[0]?.split(' ')[1]), 'SIGKILL');
  await expect.poll(() => starts().length).toBe(2);
  expect(starts()[1]).toMatch(/^4711 /);
  expect(exits).toEqual([['child', 'SIGKILL', 500]]);
  const log = join(folder, 'logs', 'child.log');
  // A stop before it has said that would leave it unsaid.
  await expect.poll(() => readFileSync(log, 'utf8')).toContain('said by 4711');
  await running.stop(5_000);
  await running.stop(5_000);
  expect(exits).toHaveLength(1);

  // The next run keeps this log as the one before, and drops the one before that.
  for (const name of ['second', 'third']) {
    const next = startProcess({ ...spec, args: [file, name] }, join(folder, 'logs'), () => {});
    await next.ready;
    await next.stop(5_000);
  }
  expect(readFileSync(log, 'utf8')).toBe('said by third\n');
  expect(readFileSync(`${log}.1`, 'utf8')).toBe('said by second\n');
  expect(existsSync(`${log}.2`)).toBe(false);
});

test('a child that cannot start says why, and one that is stopped before it is ready has ended', async () => {
  const folder = temporaryFolder();
  const failing = script(folder, 'failing.mjs', 'console.error("error: no such thing"); process.exit(3)');
  const dead = startProcess({ name: 'dead', args: [failing], env: {} }, folder, () => {});
  await expect(dead.ready).rejects.toThrow('dead ended (exit code 3): no such thing');
  await dead.stop(0);

  const slow = script(folder, 'slow.mjs', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)');
  const never = startProcess({ name: 'slow', args: [slow], env: {} }, folder, () => {});
  const outcome = expect(never.ready).rejects.toThrow(/slow ended \(SIG(TERM|KILL)\)/);
  await never.stop(200);
  await outcome;
});

test('the pause before a restart doubles up to 10 s and begins anew after a long life', () => {
  const pauses = [undefined, 500, 1_000, 8_000, 10_000].map((last) => nextPause(last, 100));
  expect(pauses).toEqual([500, 1_000, 2_000, 10_000, 10_000]);
  expect(nextPause(10_000, 30_000)).toBe(500);
});

test('within gives up on what takes too long', async () => {
  expect(await within(20, new Promise(() => {}))).toBeUndefined();
  expect(await within(20_000, Promise.resolve('done'))).toBe('done');
});
