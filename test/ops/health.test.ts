import { expect, test } from 'vitest';
import { createHealth } from '../../src/ops/health.ts';

const fine = { name: 'fine', ask: async () => ({ height: 7 }) };

test('a process is starting, then ready, and stopping for good', async () => {
  const health = createHealth('tester');
  expect(await health.report()).toEqual({ status: 'starting', component: 'tester', checks: {} });
  health.markStarted([fine]);
  const ready = await health.report();
  expect(ready).toMatchObject({ status: 'ready', checks: { fine: { ok: true, height: 7 } } });
  expect(Object.keys(ready.checks['fine'] ?? {})).toEqual(['ok', 'ms', 'height']);
  health.markStopping();
  expect(await health.report()).toEqual({ status: 'stopping', component: 'tester', checks: {} });
  health.markStarted([fine]);
  expect((await health.report()).status).toBe('stopping');
});

test('one check that fails or throws makes it not ready, and says why on one line', async () => {
  const health = createHealth('tester');
  health.markStarted([
    fine,
    { name: 'late', ask: async () => ({ age_ms: 9, why: 'too old:\n  look there' }) },
    {
      name: 'gone',
      ask: async () => {
        throw Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:1'), { code: 'ECONNREFUSED' });
      },
    },
  ]);
  const report = await health.report();
  expect(report.status).toBe('not_ready');
  expect(report.checks).toMatchObject({
    fine: { ok: true },
    late: { ok: false, age_ms: 9, why: 'too old: look there' },
    gone: { ok: false, why: expect.stringMatching(/^connect ECONNREFUSED 127\.0\.0\.1:1: is .+\?/) },
  });
});

test('no password of a URL that an error quotes is shown, and no error is shown whole', async () => {
  const health = createHealth('tester');
  const ask = async () => {
    throw new Error(`cannot open postgresql://router:hunter2@db/router ${'x'.repeat(1000)}`);
  };
  health.markStarted([{ name: 'database', ask }]);
  const shown = JSON.stringify(await health.report());
  expect(shown).toContain('postgresql://[redacted]@db/router');
  expect(shown).not.toContain('hunter2');
  expect(shown.length).toBeLessThan(600);
});

test('however often it is asked, a check is asked once', async () => {
  let asked = 0;
  const health = createHealth('tester');
  health.markStarted([
    {
      name: 'counted',
      ask: async () => {
        asked += 1;
        return {};
      },
    },
  ]);
  await Promise.all(Array.from({ length: 50 }, () => health.report()));
  await health.report();
  expect(asked).toBe(1);
});
