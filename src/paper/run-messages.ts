// The messages of a stateful transaction on a view of the state, a node's or a block's: all count, or none.
import { checkRegistration, findAuthenticator } from './authenticators.ts';
import type { Message } from './message.ts';
import { type Refusal, refuse } from './refusal.ts';
import { cancelStateful, placeStateful, type StatefulView } from './stateful-rules.ts';
import { copyUncommitted } from './uncommitted.ts';

function runMessage(view: StatefulView, message: Message): Refusal | undefined {
  switch (message.kind) {
    case 'place':
      return placeStateful(view, message.order);
    case 'cancel':
      return cancelStateful(view, message.cancel);
    case 'add_authenticator':
      return view.isBlock ? checkRegistration(message.type, message.config) : undefined;
    case 'remove_authenticator':
      if (!view.isBlock || findAuthenticator(view.ledger, message.owner, message.id)) return undefined;
      return refuse('accountplus', 1, `no authenticator ${message.id} for address ${message.owner}`);
    case 'batch_cancel':
    case 'other':
      return refuse('sdk', 18, `the state knows no message of the kind ${message.kind}`);
  }
}

export function runMessages(view: StatefulView, messages: readonly Message[]): Refusal | undefined {
  const before = view.uncommitted;
  // A single message checks before it writes.
  if (messages.length > 1) view.uncommitted = copyUncommitted(before);
  for (const message of messages) {
    const refusal = runMessage(view, message);
    if (!refusal) continue;
    view.uncommitted = before;
    return refusal;
  }
  return undefined;
}
