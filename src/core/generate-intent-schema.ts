// Writes docs/intent.schema.json, the intent for producers in other languages, from the zod schema; --check only
// compares and fails on drift.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { intentSchema } from './intent.ts';

export const INTENT_SCHEMA_FILE = join(import.meta.dirname, '..', '..', 'docs', 'intent.schema.json');

const TITLE = 'Order intent';
const DESCRIPTION =
  'Data of a `place` job in the queue `orders`, and one line of a file of intents. Shape and ranges only: the door ' +
  "also refuses combinations, the market's grid, passed times, spent client ids, and more than 16 KiB.";

/** What a producer may send; defaults are optional. */
export function intentSchemaText(): string {
  const { $schema, ...schema } = z.toJSONSchema(intentSchema, { io: 'input' });
  return `${JSON.stringify({ $schema, title: TITLE, description: DESCRIPTION, ...schema }, null, 2)}\n`;
}

/** @param text of the file; undefined when there is none. @returns undefined when it is up to date */
export function describeDrift(text: string | undefined): string | undefined {
  if (text === intentSchemaText()) return undefined;
  const what = text === undefined ? 'is missing' : 'differs from src/core/intent.ts';
  return `docs/intent.schema.json ${what}: run \`npm run intent-schema:generate\``;
}

function readFile(): string | undefined {
  try {
    return readFileSync(INTENT_SCHEMA_FILE, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.main) {
  if (process.argv.includes('--check')) {
    const drift = describeDrift(readFile());
    if (drift !== undefined) {
      console.error(drift);
      process.exitCode = 1;
    }
  } else {
    writeFileSync(INTENT_SCHEMA_FILE, intentSchemaText());
  }
}
