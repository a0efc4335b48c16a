// The accounts that a process signs for. Opened once at start, against the chain: one on another chain, a key that does
// not match its owner, or a permissioned key that could do more than trade is refused with what to do.
import { setTimeout } from 'node:timers/promises';
import { type Config, ConfigError, type Secrets } from '../config.ts';
import type { Signer, Validator } from '../core/ports.ts';
import { createSigner } from '../venue/signer.ts';
import { readAccounts } from './configured-accounts.ts';
import { examineKey } from './examine-key.ts';
import { networkOf, whyOtherChain } from './venue.ts';

export type Account = { readonly name: string; readonly tenantId: string; readonly signer: Signer };

type AskedOfTheChain = Pick<Validator, 'chainId' | 'accountNumber' | 'authenticators'>;

/**
 * By name. Asks for the chain, the accounts' numbers and, of permissioned keys, the owners' authenticators.
 * @param patienceMs a node that does not answer is asked again for so long
 */
export async function openAccounts(
  config: Config,
  secrets: Secrets,
  validator: AskedOfTheChain,
  patienceMs: number,
): Promise<ReadonlyMap<string, Account>> {
  const configured = await readAccounts(config, secrets);
  const { chainId } = networkOf(config);
  const deadlineMs = performance.now() + patienceMs;
  const actual = await untilAnswered(() => validator.chainId(), deadlineMs);
  if (actual !== chainId) throw new ConfigError(whyOtherChain(actual, chainId));
  const accounts = new Map<string, Account>();
  const problems: string[] = [];
  for (const account of configured) {
    const examined = await untilAnswered(() => examineKey(account, validator.authenticators), deadlineMs);
    const problem = examined.problem ?? whyRefused(config, examined.couldWithdraw);
    if (problem !== undefined) {
      problems.push(`account ${account.name}: ${problem}`);
      continue;
    }
    const { name, tenantId, privateKey, owner } = account;
    const accountNumber = await untilAnswered(() => validator.accountNumber(owner), deadlineMs);
    const { authenticators } = examined;
    const signer = await createSigner({ privateKey, chainId, accountNumber, owner, authenticators });
    accounts.set(name, { name, tenantId, signer });
  }
  if (problems.length > 0) throw new ConfigError(problems.join('\n'));
  return accounts;
}

function whyRefused(config: Config, couldWithdraw: boolean): string | undefined {
  if (!config.REQUIRE_TRADE_ONLY_KEYS || !couldWithdraw) return undefined;
  return 'the key could withdraw, and REQUIRE_TRADE_ONLY_KEYS is true: let the owner register a trade-only key';
}

const ASK_AGAIN_MS = 250;

/** Throws the last error when the time is over. @param deadlineMs by performance.now */
async function untilAnswered<Answer>(ask: () => Promise<Answer>, deadlineMs: number): Promise<Answer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (performance.now() + ASK_AGAIN_MS > deadlineMs) throw error;
      await setTimeout(ASK_AGAIN_MS);
    }
  }
}
