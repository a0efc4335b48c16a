// A terminal is redrawn in place; a file or a pipe gets a line only when there is news; text never steers a terminal.
import { PassThrough } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { createScreen } from '../../src/cli/screen.ts';

function screenOf(terminal: { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }) {
  const stream = Object.assign(new PassThrough({ encoding: 'utf8' }), terminal);
  const screen = createScreen(stream as unknown as NodeJS.WriteStream);
  /** What was written since the last question. */
  const written = (): string => stream.read() ?? '';
  return { screen, written };
}
const up = (lines: number) => `\u001b[${lines}A\u001b[J`;

describe('on a terminal', () => {
  test('a drawing replaces the one before it, and a line of news stays above the next', () => {
    const { screen, written } = screenOf({ isTTY: true, columns: 80, rows: 24 });
    screen.draw(['settled 0/2', 'a']);
    expect(written()).toBe('settled 0/2\na\n');
    screen.draw(['settled 1/2']);
    expect(written()).toBe(`${up(2)}settled 1/2\n`);
    screen.line('news');
    expect(written()).toBe(`${up(1)}news\n`);
    screen.draw(['settled 2/2']);
    expect(written()).toBe('settled 2/2\n');
  });

  test('what stands there when drawing ends stays', () => {
    const { screen, written } = screenOf({ isTTY: true, columns: 80, rows: 24 });
    screen.draw(['settled 2/2']);
    screen.finish();
    screen.line('stopped');
    expect(written()).toBe('settled 2/2\nstopped\n');
  });

  test('nothing wraps and nothing scrolls, or it would be erased by half', () => {
    const { screen, written } = screenOf({ isTTY: true, columns: 10, rows: 4 });
    screen.draw(['x'.repeat(50), '2', '3', '4', '5']);
    expect(written()).toBe(`${'x'.repeat(9)}\n2\n3\n`);
    screen.draw([]);
    expect(written()).toBe(up(3));
  });

  test('of unknown size 80 columns and 24 rows are taken', () => {
    const { screen, written } = screenOf({ isTTY: true });
    screen.draw(Array.from({ length: 50 }, () => 'x'.repeat(200)));
    expect(written()).toBe(`${'x'.repeat(79)}\n`.repeat(23));
  });
});

describe('elsewhere', () => {
  test('the first line of a drawing is printed when it changed, and nothing is erased', () => {
    const { screen, written } = screenOf({});
    screen.draw(['settled 0/2', 'a']);
    screen.draw(['settled 0/2', 'b']);
    screen.draw(['settled 1/2']);
    screen.line('news');
    screen.draw(['settled 1/2']);
    screen.draw([]);
    expect(written()).toBe('settled 0/2\nsettled 1/2\nnews\n\n');
  });
});

test('control characters of an intent do not reach the terminal', () => {
  const { screen, written } = screenOf({ isTTY: true, columns: 80, rows: 24 });
  screen.line('id \u001b[2J\u0007\u009b31m\r');
  expect(written()).toBe('id \uFFFD[2J\uFFFD\uFFFD31m\uFFFD\n');
  screen.draw(['\u001b]0;title\u0007']);
  expect(written()).toBe('\uFFFD]0;title\uFFFD\n');
});
