// The messages of a stateful transaction on a view of the state, a node's or a block's: all count, or none.

import type { Message } from '../wire/message.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';
import {
  addAuthenticator,
  checkRegistration,
  findAuthenticator,
  removeAuthenticator,
} from './authenticators.ts';
import { cancelStateful, placeStateful, type StatefulView } from './stateful-rules.ts';
import { copyUncommitted } from './uncommitted.ts';

type AuthenticatorMessage = Extract<Message, { kind: 'add_authenticator' | 'remove_authenticator' }>;

/** Only a block runs them: CheckTx looks at nothing but the signature. */
function changeAuthenticators(
  { uncommitted }: StatefulView,
  message: AuthenticatorMessage,
): Refusal | undefined {
  const { owner } = message;
  const registry = uncommitted.authenticators;
  if (message.kind === 'add_authenticator') {
    const refusal = checkRegistration(message.type, message.config);
    if (!refusal)
      uncommitted.authenticators = addAuthenticator(registry, owner, message.type, message.config);
    return refusal;
  }
  if (!findAuthenticator(registry, owner, message.id))
    return refuse('accountplus', 1, `no authenticator ${message.id} for address ${owner}`);
  uncommitted.authenticators = removeAuthenticator(registry, owner, message.id);
  return undefined;
}

function runMessage(view: StatefulView, message: Message): Refusal | undefined {
  switch (message.kind) {
    case 'place':
      return placeStateful(view, message.order);
    case 'cancel':
      return cancelStateful(view, message.cancel);
    case 'add_authenticator':
    case 'remove_authenticator':
      return view.isBlock ? changeAuthenticators(view, message) : undefined;
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
