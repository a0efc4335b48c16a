// Looks for key material in what a router leaves behind: every spelling of a private key and of a mnemonic, in text and in
// binary. The mnemonic's words are common: three of them in a row are not.
import { sql } from 'kysely';
import type { Database } from '../../src/store/database.ts';

export type KeyMaterial = { readonly name: string; readonly spellings: readonly string[] };

export function privateKeyMaterial(key: Uint8Array): KeyMaterial {
  const bytes = Buffer.from(key);
  const hex = bytes.toString('hex');
  // Half of a key is as bad, and is found as well where something was cut.
  const halves = [hex.slice(0, 32), hex.slice(32)];
  const spellings = [...halves, ...halves.map((half) => half.toUpperCase())];
  return {
    name: 'private key',
    spellings: [
      ...spellings,
      bytes.toString('base64').slice(0, 40),
      bytes.toString('latin1'),
      bytes.join(','),
    ],
  };
}

export function mnemonicMaterial(mnemonic: string): KeyMaterial {
  const words = mnemonic.split(' ');
  const rows = words.slice(2).map((word, index) => `${words[index]} ${words[index + 1]} ${word}`);
  return { name: 'mnemonic', spellings: rows };
}

/** @returns the places where any of it stands */
export function findKeyMaterial(
  places: ReadonlyMap<string, string>,
  materials: readonly KeyMaterial[],
): string[] {
  return [...places].flatMap(([place, text]) =>
    materials.flatMap(({ name, spellings }) =>
      spellings.some((spelling) => text.includes(spelling)) ? [`${name} in ${place}`] : [],
    ),
  );
}

/** Every table of the database, that of the PostgreSQL queue included, as text; binary columns as hex and as they are. */
export async function dumpDatabase(db: Database): Promise<Map<string, string>> {
  const { rows: tables } = await sql<{ name: string }>`
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND n.nspname IN ('public', 'bullmq') ORDER BY 1`.execute(db);
  const dump = new Map<string, string>();
  for (const { name } of tables) {
    const { rows } = await sql<{
      line: string;
    }>`SELECT row_to_json(t)::text AS line FROM ${sql.raw(name)} t`.execute(db);
    const text = rows.map(({ line }) => line).join('\n');
    const binary = [...text.matchAll(/\\\\x([0-9a-f]+)/g)].map(([, hex = '']) =>
      Buffer.from(hex, 'hex').toString('latin1'),
    );
    dump.set(`table ${name}`, `${text}\n${binary.join('\n')}`);
  }
  return dump;
}
