// Alert rules and dashboard use only metrics that docs/metrics.md names; test/runtime/metrics.test.ts compares that page
// with what the processes really serve.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { documentedMetrics, ROOT } from './documented-metrics.ts';

const alerts = readFileSync(join(ROOT, 'deploy', 'alerts.yml'), 'utf8');
const dashboard = JSON.parse(readFileSync(join(ROOT, 'deploy', 'grafana-dashboard.json'), 'utf8'));

/** Every series that a histogram or a plain metric has. */
const series = new Set(
  documentedMetrics().flatMap(({ name, type }) =>
    type === 'histogram' ? ['_bucket', '_sum', '_count'].map((suffix) => name + suffix) : [name],
  ),
);

function unknownIn(text: string): string[] {
  return [...new Set(text.match(/\brouter_[a-z0-9_]+/g))].filter((name) => !series.has(name));
}

type Panel = {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
};
const panels: readonly Panel[] = dashboard.panels;

test('alert rules name only series that exist', () => {
  // Of a histogram a text may also name the whole.
  const names = new Set(documentedMetrics().map(({ name }) => name));
  const [expressions, texts] = [
    /^ +expr:[\s\S]*?(?=^ +(?:for|labels):)/gm,
    /^ +annotations:[\s\S]*?(?=^$|$(?![\s\S]))/gm,
  ].map((pattern) => alerts.match(pattern) ?? []);
  const rules = alerts.match(/^ +- alert: Router\w+$/gm) ?? [];
  expect(rules.length).toBeGreaterThanOrEqual(15);
  expect(new Set(rules).size).toBe(rules.length);
  expect(expressions).toHaveLength(rules.length);
  expect(texts).toHaveLength(rules.length);
  expect(unknownIn((expressions ?? []).join('\n'))).toEqual([]);
  expect(unknownIn(alerts).filter((name) => !names.has(name))).toEqual([]);
  for (const expression of expressions ?? []) expect(expression).toMatch(/router_/);
  // Each of them says what it is and what to do.
  for (const text of texts ?? []) expect(text).toMatch(/^ +summary: \S[\s\S]*^ +action: (>-\n +)?\S/m);
});

test('the dashboard names only series that exist, and no panel is empty', () => {
  const shown = panels.filter(({ type }) => type !== 'row');
  expect(shown.length).toBeGreaterThan(20);
  for (const { title, targets } of shown) {
    expect([title, targets?.length ?? 0]).not.toEqual([title, 0]);
    for (const { expr } of targets ?? []) {
      expect([title, expr]).toEqual([title, expect.stringContaining('router_')]);
      expect([title, unknownIn(expr)]).toEqual([title, []]);
    }
  }
});

test('every metric of the router itself is on the dashboard or in an alert', () => {
  const text = alerts + panels.flatMap(({ targets }) => targets?.map(({ expr }) => expr) ?? []).join('\n');
  const used = new Set(text.match(/\brouter_[a-z0-9_]+/g));
  const unused = documentedMetrics().filter(
    ({ name }) => ![name, `${name}_bucket`, `${name}_count`].some((form) => used.has(form)),
  );
  expect(unused.map(({ name }) => name).filter((name) => !/^router_(process|nodejs)_/.test(name))).toEqual(
    [],
  );
});

test('the dashboard is one that Grafana 10 loads: panels with ids of their own that do not overlap', () => {
  expect(dashboard).toMatchObject({ uid: 'dydx-order-router', schemaVersion: 39 });
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = new Set<string>();
  for (const { title, gridPos: at } of panels) {
    expect([title, at.x + at.w <= 24]).toEqual([title, true]);
    for (let x = at.x; x < at.x + at.w; x++) {
      for (let y = at.y; y < at.y + at.h; y++) {
        expect([title, cells.has(`${x}/${y}`)]).toEqual([title, false]);
        cells.add(`${x}/${y}`);
      }
    }
  }
});

test('the first page of operations names only metrics that exist', () => {
  const page = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');
  const names = new Set(documentedMetrics().map(({ name }) => name));
  const named = page.match(/\brouter_[a-z0-9_]+/g) ?? [];
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !names.has(name))).toEqual([]);
});
