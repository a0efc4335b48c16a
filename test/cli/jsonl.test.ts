import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { type Line, readLines } from '../../src/cli/jsonl.ts';

async function linesOf(content: string | Buffer): Promise<Line[]> {
  const folder = mkdtempSync(join(tmpdir(), 'router-jsonl-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'intents.jsonl');
  writeFileSync(file, content);
  const lines: Line[] = [];
  for await (const some of readLines(file)) lines.push(...some);
  return lines;
}

test('lines keep their numbers, blank ones are passed over, the last needs no end', async () => {
  expect(await linesOf('{"a":1}\n\n  \r\n[2]')).toEqual([
    { number: 1, ok: true, value: { a: 1 } },
    { number: 4, ok: true, value: [2] },
  ]);
  expect(await linesOf('\n \n\n')).toEqual([]);
});

test('lines that span reads come whole', async () => {
  const values = Array.from({ length: 30_000 }, (_, n) => ({ n, text: 'ü'.repeat(n % 7) }));
  const lines = await linesOf(values.map((value) => JSON.stringify(value)).join('\n'));
  expect(lines.map((line) => line.ok && line.value)).toEqual(values);
});

test('what is no JSON is quoted short, without half characters, NULs and escapes', async () => {
  const inputs = [
    '\u0000\u0000',
    '\u001b[2J',
    `${'x'.repeat(9)}😀${'😀'.repeat(200)}`,
    '😀'.repeat(300),
    '{"a":😀}',
  ];
  for (const input of inputs) {
    const [line] = await linesOf(input);
    if (line === undefined || line.ok) throw new Error(`${input} was taken`);
    const { reason } = line.refusal;
    expect(reason).toMatch(/^is no JSON: ./);
    expect(reason.length).toBeLessThan(140);
    expect(reason.isWellFormed()).toBe(true);
    expect(reason).not.toMatch(/\p{Cc}/u);
  }
});

test('bytes that are no UTF-8 are refused or replaced, never half characters', async () => {
  const [line] = await linesOf(Buffer.from([0x22, 0xff, 0xed, 0xa0, 0x80, 0x22]));
  expect(line).toMatchObject({ ok: true, value: expect.stringMatching(/^\uFFFD+$/) });
});
