// The bench of the reconciler as people run it, tiny: what it measures here is of no use, that it measures and ends is.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { bareEnvironment } from '../../support/child-environment.ts';
import { runProcess } from '../../support/run-router.ts';

/** As the other benches, and twice a row of blocks. */
const MAX_MS = 360_000;

const TINY = ['--queue', 'postgres', '--warm-up', '1', '--seconds', '3', '--block-ms', '1000'];
const FEW = [
  '--orders',
  '40',
  '--subaccounts',
  '2',
  '--reconcilers',
  '2',
  '--idle',
  '5',
  '--fill-rate',
  '10',
];

test(
  'a tiny bench of the reconciler settles every order, books fills and tells its figures as the last line',
  async () => {
    const { code, stdout, stderr } = await runProcess(
      ['src/cli.ts', 'bench', '--reconcile', ...TINY, ...FEW, '--set', 'LOG_LEVEL=error', '--json'],
      {},
      MAX_MS,
    );
    expect(code, stderr).toBe(0);
    const { reconcile } = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(reconcile).toMatchObject({ wrong: 0, queue: 'postgres', settings: { LOG_LEVEL: 'error' } });
    const settled = { orders: 40, subaccounts: 2, orders_checked: 40, wrong: 0, findings: [] };
    expect(reconcile.settle).toMatchObject([
      { reconcilers: 1, ...settled },
      { reconcilers: 2, ...settled },
    ]);
    for (const run of reconcile.settle) {
      // Nothing is settled before it has ended.
      expect(run.settle_first_s).toBeGreaterThan(0);
      expect(run.settle_s).toBeGreaterThanOrEqual(run.settle_first_s);
      expect(run.requests['/v4/fills']).toBeGreaterThan(0);
    }
    expect(reconcile.fills.fills).toBeGreaterThan(0);
    expect(reconcile.fills.fill_to_row_ms.p50).toBeGreaterThan(0);
    expect(reconcile.fills.fill_to_row_ms.p99).toBeGreaterThanOrEqual(reconcile.fills.fill_to_row_ms.p50);
    expect(reconcile.idle).toMatchObject({ subaccounts: 5, cpu_ms_per_idle_subaccount_minute: {} });
    expect(reconcile.idle.with.cpu_ms.reconciler).toBeGreaterThan(0);
  },
  MAX_MS + 10_000,
);

test(
  'an interrupt while the exchange stands still ends all of it, and nothing is left on disk',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'router-bench-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const cli = join(import.meta.dirname, '..', '..', '..', 'src/cli.ts');
    const child = spawn(
      process.execPath,
      [cli, 'bench', '--reconcile', ...TINY, '--orders', '1000000', '--idle', '0', '--fill-rate', '0'],
      { env: { ...bareEnvironment(), TMPDIR: folder }, cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    let isInterrupted = false;
    child.stderr.on('data', (chunk) => {
      said += chunk;
      if (!said.includes('orders are open') || isInterrupted) return;
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

test('a setting that is none is refused before anything starts', async () => {
  const { code, stderr } = await runProcess(['src/cli.ts', 'bench', '--reconcile', '--set', 'nonsense'], {});
  expect(code).toBe(1);
  expect(stderr).toContain('NAME=value');
});
