import { expect, test } from 'vitest';
import { createOutage } from '../../src/ops/outage.ts';

type Line = { readonly level: string; readonly message: string; readonly fields: Record<string, unknown> };

function recorder() {
  const lines: Line[] = [];
  const at = (level: string) => (fields: object, message: string) =>
    void lines.push({ level, message, fields: { ...fields } });
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

test('an outage is one line when it begins, one a minute, and one when it is over', () => {
  const { lines, log } = recorder();
  let nowMs = 0;
  const outage = createOutage(log, 'queue', () => nowMs);
  outage.works();
  expect(lines).toEqual([]);
  for (nowMs = 1_000; nowMs <= 121_000; nowMs += 1_000) outage.failed(new Error('connect ECONNREFUSED'));
  expect(lines.map(({ message, fields }) => [message, fields['for_ms'], fields['errors']])).toEqual([
    ['queue not reachable, trying on', 0, 1],
    ['queue not reachable, trying on', 60_000, 61],
    ['queue not reachable, trying on', 120_000, 121],
  ]);
  outage.works();
  outage.works();
  expect(lines.slice(3)).toEqual([
    { level: 'info', message: 'queue reachable again', fields: { for_ms: 121_000, errors: 121 } },
  ]);
  outage.failed('again');
  expect(lines.at(-1)).toMatchObject({ level: 'warn', fields: { error: 'again', errors: 1 } });
});
