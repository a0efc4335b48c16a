// The command as people run it, short: what it measures here is of no use, that it measures and ends is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bareEnvironment } from '../../support/child-environment.ts';
import { runProcess } from '../../support/run-router.ts';

const SHORT = [
  '--queue',
  'postgres',
  '--rates',
  '0',
  '--warm-up',
  '1',
  '--outstanding',
  '20',
  '--block-ms',
  '200',
];

/** It starts a PostgreSQL and six processes: half a minute on a machine that does much else. */
const MAX_MS = 180_000;

test(
  'a short bench tells its figures as the last line, every order of it proven',
  async () => {
    const { code, stdout, stderr } = await runProcess(
      ['src/cli.ts', 'bench', ...SHORT, '--modes', 'jobs', '--seconds', '4', '--json'],
      {},
      MAX_MS,
    );
    expect(code, stderr).toBe(0);
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(result).toMatchObject({ wrong: 0, queue: 'postgres', seed: 1, baselines: {}, ratio: null });
    expect(result.orders_per_s).toBeGreaterThan(0);
    expect(result.cpu_ms_per_order.submitter).toBeGreaterThan(0);
    // What arrived within the window and what was filled in it are not the same orders.
    expect(result.runs[0].orders_checked).toBeGreaterThan(0);
  },
  MAX_MS + 10_000,
);

test(
  'an interrupt ends all of it, and nothing is left on disk',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'router-bench-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, '..', '..', '..', 'src/cli.ts'), 'bench', ...SHORT, '--seconds', '600'],
      { env: { ...bareEnvironment(), TMPDIR: folder }, cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    let isInterrupted = false;
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (!said.includes('measuring') || isInterrupted) return;
      isInterrupted = true;
      child.kill('SIGINT');
    });
    const [code] = await once(child, 'close');
    expect(said).toContain('interrupted');
    expect(code).toBe(130);
    expect(readdirSync(folder)).toEqual([]);
  },
  MAX_MS + 10_000,
);
