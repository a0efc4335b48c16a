// Where `router up` writes: a table that redraws itself on a terminal, and lines of news everywhere else.

export type Screen = {
  readonly line: (text: string) => void;
  /** On a terminal replaces what it last drew; elsewhere the first line is printed when it changed. */
  readonly draw: (lines: readonly string[]) => void;
  /** Ends drawing: what stands there stays. */
  readonly finish: () => void;
};

/** What stands in intents must not steer the terminal. */
function harmless(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '\uFFFD');
}

export function createScreen(stream: NodeJS.WriteStream): Screen {
  let drawn = 0;
  let last = '';
  const erase = (): void => {
    if (drawn > 0) stream.write(`\u001b[${drawn}A\u001b[J`);
    drawn = 0;
  };
  return {
    line: (text) => {
      erase();
      stream.write(`${harmless(text)}\n`);
    },
    draw: (lines) => {
      if (!stream.isTTY) {
        const news = lines[0] ?? '';
        if (news !== last) stream.write(`${news}\n`);
        last = news;
        return;
      }
      erase();
      // A line that wraps would be erased by half.
      const width = stream.columns || 80;
      const height = Math.max(3, (stream.rows || 24) - 1);
      const fitting = lines.slice(0, height).map((line) => harmless(line).slice(0, width - 1));
      stream.write(fitting.map((line) => `${line}\n`).join(''));
      drawn = fitting.length;
    },
    finish: () => {
      drawn = 0;
    },
  };
}
