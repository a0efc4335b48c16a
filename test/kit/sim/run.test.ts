// The command around it: what it takes, what it says, how it ends.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const RUN = fileURLToPath(new URL('../../../src/kit/sim/run.ts', import.meta.url));

function sim(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [RUN, ...args], (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

test('--help names every option and gives examples', async () => {
  const { code, stdout } = await sim('--help');
  expect(code).toBe(0);
  for (const name of ['--seeds', '--first', '--seed', '--orders', '--workers', '--json', 'Examples:']) {
    expect(stdout).toContain(name);
  }
});

test.each([
  [['--seeds', '0'], '--seeds must be a whole number between 1 and'],
  [['--seed', 'x'], '--seed must be a whole number between 0 and'],
  [['--sedes', '3'], "Unknown option '--sedes'"],
])('%j is refused with one line', async (args, why) => {
  const { code, stderr } = await sim(...args);
  expect(code).toBe(2);
  expect(stderr).toContain(why);
});

test('a seed that passes is told as JSON, with servers of its own', async () => {
  const { code, stdout } = await sim('--seeds', '2', '--first', '7', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ ok: true, seeds: 2, failed: [] });
  expect(code).toBe(0);
});
