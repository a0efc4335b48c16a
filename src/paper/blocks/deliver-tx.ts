// DeliverTx: one transaction of the block that is being built → its result. Replay protection and signature first: a
// transaction that fails there leaves its nonce free; one that fails later has used it up.
import { authorize, type Signing } from '../state/authorize.ts';
import type { BlockTransaction } from '../state/facts.ts';
import { replayAt } from '../state/ledger.ts';
import { takeNonce } from '../state/replay.ts';
import { runMessages } from '../state/run-messages.ts';
import type { StatefulView } from '../state/stateful-rules.ts';
import type { Transaction } from '../wire/decode.ts';
import { ownerOf } from '../wire/message.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';

/** The state after the last block, and the height and time of the block that is being built on it. */
export type BlockView = StatefulView & { readonly nextHeight: number; readonly blockTimeMs: number };

function checkEntrance(view: BlockView, signing: Signing, tx: Transaction): Refusal | undefined {
  const { uncommitted, ledger } = view;
  const [first] = tx.messages;
  const owner = first ? ownerOf(first) : '';
  if (tx.timeoutHeight > 0 && view.nextHeight > tx.timeoutHeight)
    return refuse('sdk', 30, 'tx timeout height');
  const account = uncommitted.accounts.get(owner) ?? replayAt(ledger, owner, view.height);
  const { replay, reason } = takeNonce(account, tx.sequence, view.blockTimeMs);
  if (!replay) return refuse('sdk', 32, reason);
  const forged = authorize(uncommitted.authenticators, signing, tx, owner);
  if (!forged) uncommitted.accounts.set(owner, replay);
  return forged;
}

/** A transaction for the block; a verdict is what a fault answers in place of its messages. */
export type Candidate = { readonly tx: Transaction; readonly verdict: Refusal | undefined };

export function deliverTx(view: BlockView, signing: Signing, { tx, verdict }: Candidate): BlockTransaction {
  const refusedAtEntrance = checkEntrance(view, signing, tx);
  const refusal = refusedAtEntrance ?? verdict ?? runMessages(view, tx.messages);
  return {
    hash: tx.hash,
    bytes: Buffer.from(tx.bytes).toString('base64'),
    code: refusal?.code ?? 0,
    codespace: refusal?.codespace ?? '',
    log: refusal?.log ?? '',
    tookNonce: refusedAtEntrance === undefined,
  };
}
