// `router keys`: whose orders each configured key signs, and whether it could withdraw. Nothing that it prints, errors
// included, shows a key.
import { readConfig } from '../config.ts';
import type { Authenticator } from '../core/ports.ts';
import { createLogger } from '../ops/logger.ts';
import { readableError } from '../ops/readable-error.ts';
import { type ConfiguredAccount, readAccounts } from '../runtime/configured-accounts.ts';
import { type ExaminedKey, examineKey, isPermissioned } from '../runtime/examine-key.ts';
import { networkOf, openValidator, whyOtherChain } from '../runtime/venue.ts';
import { table } from './output.ts';

/** Whether a key could withdraw is not known while the chain cannot be asked. */
type CheckedKey = Pick<ExaminedKey, 'kind' | 'problem'> & { readonly couldWithdraw: boolean | undefined };

const KINDS = {
  owner_key: 'owner key',
  trade_only_key: 'trade-only key',
  permissioned_key: 'permissioned key',
  wrong_key: 'wrong key',
} as const satisfies Record<ExaminedKey['kind'], string>;

/** @returns 0, or 1 when a key could withdraw, must not be used, or cannot be judged */
export async function runKeysCheck(json: boolean): Promise<number> {
  const { config, secrets } = readConfig(process.env);
  const accounts = await readAccounts(config, secrets);
  const isChainNeeded = accounts.some(isPermissioned);
  const validator = isChainNeeded ? openValidator(config, createLogger('keys', 'silent')) : undefined;
  const authenticatorsOf = async (owner: string): Promise<readonly Authenticator[]> => {
    if (validator === undefined) return [];
    const { chainId } = networkOf(config);
    const actual = await validator.chainId();
    if (actual !== chainId) throw new Error(whyOtherChain(actual, chainId));
    return validator.authenticators(owner);
  };
  try {
    const checked = await Promise.all(
      accounts.map(async (account) => [account, await checkKey(account, authenticatorsOf)] as const),
    );
    if (json) for (const [account, key] of checked) console.log(JSON.stringify(asJson(account, key)));
    else console.log(table([HEAD, ...checked.map(([account, key]) => asRow(account, key))]));
    const isFine = checked.every(([, key]) => key.problem === undefined && key.couldWithdraw === false);
    return isFine ? 0 : 1;
  } finally {
    await validator?.close();
  }
}

async function checkKey(
  account: ConfiguredAccount,
  authenticatorsOf: (owner: string) => Promise<readonly Authenticator[]>,
): Promise<CheckedKey> {
  try {
    return await examineKey(account, authenticatorsOf);
  } catch (error) {
    const problem = `the chain cannot be asked: ${readableError(error)}`;
    return { kind: 'permissioned_key', couldWithdraw: undefined, problem };
  }
}

const HEAD = ['account', 'owner', 'key', 'could withdraw', ''];

function asRow(account: ConfiguredAccount, { kind, couldWithdraw, problem }: CheckedKey): string[] {
  const ids = account.authenticatorIds.join(', ');
  const key = ids === '' ? KINDS[kind] : `${KINDS[kind]}, authenticators ${ids}`;
  const answer = couldWithdraw === undefined ? 'unknown' : couldWithdraw ? 'YES' : 'no';
  return [account.name, account.owner, key, answer, problem ?? ''];
}

function asJson(account: ConfiguredAccount, { kind, couldWithdraw, problem }: CheckedKey) {
  return {
    account: account.name,
    tenant_id: account.tenantId,
    owner: account.owner,
    signs_as: account.signsAs,
    kind,
    authenticator_ids: account.authenticatorIds.map(String),
    could_withdraw: couldWithdraw ?? null,
    problem: problem ?? null,
  };
}

/** The address of each key: what an owner registers, and where a new account is funded. */
export async function runKeysAddress(): Promise<void> {
  const { config, secrets } = readConfig(process.env);
  const accounts = await readAccounts(config, secrets);
  console.log(table(accounts.map(({ name, signsAs }) => [name, signsAs])));
}
