// The tables of docs/metrics.md as data.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '..', '..');

export type DocumentedMetric = {
  readonly name: string;
  readonly type: string;
  readonly labels: readonly string[];
  readonly processes: readonly string[];
};

export function documentedMetrics(): readonly DocumentedMetric[] {
  const text = readFileSync(join(ROOT, 'docs', 'metrics.md'), 'utf8');
  const rows = text.match(/^\| `router_.*$/gm) ?? [];
  return rows.map((row) => {
    const [name = '', type = '', labels = '', , processes = ''] = row
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    const list = (cell: string) => (cell === '' ? [] : cell.split(', ').toSorted());
    return { name: name.replaceAll('`', ''), type, labels: list(labels), processes: list(processes) };
  });
}
