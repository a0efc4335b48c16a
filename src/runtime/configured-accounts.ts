// The accounts that are configured, with their keys: `default` from the environment, more from DYDX_ACCOUNTS_FILE.
// Asks nobody. Invariant: no message contains key material or any part of it.
import { readFileSync } from 'node:fs';
import { type Config, ConfigError, type Secrets } from '../config.ts';
import { isAddress, type KeySource, loadPrivateKey, ownerOf, paperPrivateKey } from '../venue/keys.ts';
import { type AccountInFile, readAccountsFile } from './accounts-file.ts';

export type ConfiguredAccount = {
  readonly name: string;
  readonly tenantId: string;
  /** Never part of a message. */
  readonly privateKey: Uint8Array;
  /** the address of the key itself */
  readonly signsAs: string;
  /** whose orders it signs; another one than signsAs for a permissioned key */
  readonly owner: string;
  readonly authenticatorIds: readonly bigint[];
  /** how the settings of this account are called where they are given */
  readonly fields: { readonly owner: string; readonly authenticatorIds: string };
};

const DEFAULT_ACCOUNT = 'default';

/** In the order of their names. Throws a ConfigError that names everything that is wrong. */
export async function readAccounts(config: Config, secrets: Secrets): Promise<readonly ConfiguredAccount[]> {
  const file = config.DYDX_ACCOUNTS_FILE;
  const inFile = file === undefined ? [] : readAccountsFile(file);
  const problems: string[] = [];
  const accounts: ConfiguredAccount[] = [];
  const add = async (name: string, read: () => Promise<ConfiguredAccount>) => {
    try {
      accounts.push(await read());
    } catch (error) {
      problems.push(`account ${name}: ${error instanceof Error ? error.message : 'the key is not usable'}`);
    }
  };
  const own = defaultKey(config, secrets, inFile);
  if (own !== undefined) await add(DEFAULT_ACCOUNT, () => fromEnvironment(config, own));
  for (const account of inFile) await add(account.name, () => fromFile(account));
  problems.push(...sharedOwners(accounts));
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return accounts.toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** What the environment says of `default`; undefined when the file has all the accounts. */
function defaultKey(
  config: Config,
  { privateKey, mnemonic }: Secrets,
  inFile: readonly AccountInFile[],
): KeySource | undefined {
  const isNamed = inFile.some(({ name }) => name === DEFAULT_ACCOUNT);
  if (privateKey !== undefined || mnemonic !== undefined) {
    if (isNamed) {
      throw new ConfigError(
        `account ${DEFAULT_ACCOUNT} has a key in DYDX_ACCOUNTS_FILE and in DYDX_PRIVATE_KEY or DYDX_MNEMONIC: keep one`,
      );
    }
    return { privateKey, mnemonic };
  }
  if (inFile.length > 0) {
    const settings = ['DYDX_OWNER', 'DYDX_AUTHENTICATOR_IDS', 'DYDX_TENANT_ID'] as const;
    const useless = settings.filter((name) => config[name] !== undefined);
    if (useless.length === 0) return undefined;
    throw new ConfigError(
      `${useless.join(', ')}: of account ${DEFAULT_ACCOUNT}, which has no key in the environment; for the accounts of DYDX_ACCOUNTS_FILE it is set there`,
    );
  }
  if (config.DYDX_NETWORK === 'paper') {
    return { privateKey: Buffer.from(paperPrivateKey()).toString('hex') };
  }
  throw new ConfigError(
    `DYDX_NETWORK=${config.DYDX_NETWORK} needs a key: set DYDX_PRIVATE_KEY_FILE or DYDX_MNEMONIC_FILE (or the variables without _FILE), or DYDX_ACCOUNTS_FILE`,
  );
}

async function fromEnvironment(config: Config, key: KeySource): Promise<ConfiguredAccount> {
  const { DYDX_OWNER: owner, DYDX_TENANT_ID: tenantId, DYDX_AUTHENTICATOR_IDS: ids } = config;
  if (owner !== undefined && !isAddress(owner)) throw new ConfigError('DYDX_OWNER is no dydx address');
  return {
    name: DEFAULT_ACCOUNT,
    tenantId: tenantId ?? 'default',
    ...(await openKey(key, owner)),
    authenticatorIds: ids ?? [],
    fields: { owner: 'DYDX_OWNER', authenticatorIds: 'DYDX_AUTHENTICATOR_IDS' },
  };
}

async function fromFile(account: AccountInFile): Promise<ConfiguredAccount> {
  const { name, tenantId, owner, authenticatorIds, privateKeyFile, mnemonicFile } = account;
  const key = { privateKey: readKeyFile(privateKeyFile), mnemonic: readKeyFile(mnemonicFile) };
  return {
    name,
    tenantId,
    ...(await openKey(key, owner)),
    authenticatorIds,
    fields: { owner: 'owner', authenticatorIds: 'authenticator_ids' },
  };
}

async function openKey(key: KeySource, owner: string | undefined) {
  const privateKey = loadPrivateKey(key);
  const signsAs = await ownerOf(privateKey);
  return { privateKey, signsAs, owner: owner ?? signsAs };
}

function readKeyFile(path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw new ConfigError(`cannot read ${path} (${code})`);
  }
}

/** Positions, limits and nonces belong to the owner: two accounts would each believe that they are alone. */
function sharedOwners(accounts: readonly ConfiguredAccount[]): string[] {
  const byOwner = Map.groupBy(accounts, ({ owner }) => owner);
  return [...byOwner].flatMap(([owner, group]) =>
    group.length < 2
      ? []
      : `accounts ${group.map(({ name }) => name).join(', ')} all trade for ${owner}: one account an owner; strategies share it by subaccount_number`,
  );
}
