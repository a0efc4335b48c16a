// DYDX_ACCOUNTS_FILE: which accounts there are besides `default`, and in which files their keys lie. All errors are
// reported together, by path and field. Invariant: no message repeats a value of the file, which may be a secret in the
// wrong place.
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError, isAuthenticatorId } from '../config.ts';
import { isAddress } from '../venue/keys.ts';

export type AccountInFile = {
  readonly name: string;
  readonly tenantId: string;
  /** absolute; one of the two */
  readonly privateKeyFile: string | undefined;
  readonly mnemonicFile: string | undefined;
  readonly owner: string | undefined;
  readonly authenticatorIds: readonly bigint[];
};

const text = (max: number) =>
  z
    .string('must be text')
    .refine(
      (value) => value.length >= 1 && value.length <= max && !value.includes('\0') && value.isWellFormed(),
      `must be text of 1 to ${max} characters`,
    );

const noSecret = (name: string) =>
  z.undefined(`is a secret: put it into a file of its own and name that in ${name}`).optional();

const ACCOUNT = z
  .strictObject(
    {
      tenant_id: text(255).default('default'),
      private_key_file: text(4_096).optional(),
      mnemonic_file: text(4_096).optional(),
      private_key: noSecret('private_key_file'),
      mnemonic: noSecret('mnemonic_file'),
      owner: z.string('must be text').refine(isAddress, 'is no dydx address').optional(),
      authenticator_ids: z
        .array(
          z
            .string('must be an id in quotes such as "1"')
            .refine(isAuthenticatorId, 'must be an id in quotes such as "1"')
            .transform(BigInt),
          'must be a list of ids such as ["1"]',
        )
        .default([]),
    },
    { error: explain },
  )
  .refine((account) => (account.private_key_file === undefined) !== (account.mnemonic_file === undefined), {
    message: 'needs private_key_file or mnemonic_file, one of them',
    // Told beside the errors of its fields.
    when: ({ value }) => typeof value === 'object' && value !== null,
  });

const FILE = z.strictObject(
  { accounts: z.record(text(64), ACCOUNT, { error: explain }) },
  { error: explain },
);

function explain(issue: { readonly code?: string; readonly keys?: readonly string[] }): string {
  if (issue.code === 'unrecognized_keys') {
    return `has an unknown field: ${(issue.keys ?? []).map(shorten).join(', ')}`;
  }
  return issue.code === 'invalid_key' ? 'a name must be text of 1 to 64 characters' : 'must be an object';
}

function shorten(name: string): string {
  return name.length <= 20 ? name : `${name.slice(0, 20)}…`;
}

export function readAccountsFile(path: string): readonly AccountInFile[] {
  const parsed = FILE.safeParse(readJson(path));
  if (!parsed.success) throw refused(path, parsed.error.issues.map(describe));
  const besideFile = (given: string | undefined) =>
    given === undefined ? undefined : resolve(dirname(path), given);
  return Object.entries(parsed.data.accounts).map(([name, account]) => ({
    name,
    tenantId: account.tenant_id,
    privateKeyFile: besideFile(account.private_key_file),
    mnemonicFile: besideFile(account.mnemonic_file),
    owner: account.owner,
    authenticatorIds: account.authenticator_ids,
  }));
}

function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigError(`DYDX_ACCOUNTS_FILE: cannot read ${path} (${code})`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // The parser's own message quotes the file.
    const place = / at position \d+/.exec(error instanceof Error ? error.message : '')?.[0] ?? '';
    throw new ConfigError(`DYDX_ACCOUNTS_FILE: ${path} is not JSON${place}`);
  }
}

function describe({ path, message }: z.core.$ZodIssue): string {
  return `${path.map(String).map(shorten).join('.') || 'the file'}: ${message}`;
}

function refused(path: string, problems: readonly string[]): ConfigError {
  return new ConfigError(`DYDX_ACCOUNTS_FILE: ${path} is not usable:\n  ${problems.join('\n  ')}`);
}
