// The node's door for transactions: the cache of seen bytes comes before CheckTx, and keeps bytes that were refused
// too (KeepInvalidTxsInCache). So "seen" says nothing about the outcome. Bounded: the oldest hash leaves first.
import { sha256 } from '../chain/ecdsa.ts';
import type { Chain } from './chain.ts';
import { checkTx } from './checktx.ts';
import type { Refusal } from './refusal.ts';

const CACHE_SIZE = 200_000;

export type Submission =
  | { readonly kind: 'seen' }
  | { readonly kind: 'checked'; readonly hash: string; readonly refusal: Refusal | undefined };

type SubmitOptions = {
  /** answered in place of CheckTx */
  readonly verdict?: Refusal;
  /** accepted, but never reaches the proposer */
  readonly isLost?: boolean;
};

export type Mempool = { readonly submit: (bytes: Uint8Array, options?: SubmitOptions) => Submission };

export function createMempool(chain: Chain): Mempool {
  const seen = new Set<string>();
  return {
    submit(bytes, { verdict, isLost = false } = {}) {
      const hash = sha256(bytes).toString('hex').toUpperCase();
      if (seen.has(hash)) return { kind: 'seen' };
      seen.add(hash);
      if (seen.size > CACHE_SIZE) {
        const [oldest] = seen;
        if (oldest !== undefined) seen.delete(oldest);
      }
      return { kind: 'checked', hash, refusal: verdict ?? checkTx(chain, bytes, isLost) };
    },
  };
}
