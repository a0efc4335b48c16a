// Reads intents from JSON lines. A line that is too long is cut while it is read, so that memory stays bounded
// whatever comes; a line that is no JSON is handed on as what it is, for the door to refuse.
import { createReadStream, existsSync } from 'node:fs';
import { addAbortSignal } from 'node:stream';
import { MAX_INTENT_BYTES, type Refusal } from '../core/intent.ts';

export type Line =
  | { readonly number: number; readonly ok: true; readonly value: unknown }
  | { readonly number: number; readonly ok: false; readonly refusal: Refusal };

/** So much of a parser's message, which quotes the input. */
const MAX_DETAIL_CHARS = 120;

/**
 * The lines that one read brought.
 *
 * @param file a path, or `-` for standard input
 * @param signal closes the file: an open standard input would keep the process alive; throws AbortError
 */
export async function* readLines(file: string, signal?: AbortSignal): AsyncGenerator<Line[]> {
  if (file !== '-' && !existsSync(file)) throw new Error(`${file}: no such file`);
  const stream = file === '-' ? process.stdin : createReadStream(file);
  if (signal) addAbortSignal(signal, stream);
  let number = 0;
  let kept: Buffer[] = [];
  let bytes = 0;
  const take = (part: Buffer): void => {
    bytes += part.length;
    if (bytes <= MAX_INTENT_BYTES) kept.push(part);
  };
  const finish = (): Line | undefined => {
    number += 1;
    const line = parse(
      number,
      bytes <= MAX_INTENT_BYTES ? Buffer.concat(kept).toString('utf8') : undefined,
      bytes,
    );
    kept = [];
    bytes = 0;
    return line;
  };
  for await (const chunk of stream as AsyncIterable<Buffer | string>) {
    const buffer = Buffer.from(chunk as Buffer);
    const lines: Line[] = [];
    let start = 0;
    for (let end = buffer.indexOf(10); end !== -1; end = buffer.indexOf(10, start)) {
      take(buffer.subarray(start, end));
      start = end + 1;
      const line = finish();
      if (line) lines.push(line);
    }
    take(buffer.subarray(start));
    if (lines.length > 0) yield lines;
  }
  const last = bytes > 0 ? finish() : undefined;
  if (last) yield [last];
}

/** Undefined for an empty line. */
function parse(number: number, text: string | undefined, bytes: number): Line | undefined {
  if (text === undefined) {
    const reason = `the line has ${bytes} bytes; the limit is ${MAX_INTENT_BYTES} bytes`;
    return { number, ok: false, refusal: { field: '', code: 'schema', reason } };
  }
  if (text.trim() === '') return undefined;
  try {
    return { number, ok: true, value: JSON.parse(text.replace(/^\uFEFF/, '')) };
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    return {
      number,
      ok: false,
      refusal: { field: '', code: 'schema', reason: `is no JSON: ${quotable(detail)}` },
    };
  }
}

/** A cut may halve a character, and the input may have NULs: neither a database nor a terminal takes that. */
function quotable(detail: string): string {
  return detail
    .slice(0, MAX_DETAIL_CHARS)
    .replace(/\p{Cc}/gu, '\uFFFD')
    .toWellFormed();
}
