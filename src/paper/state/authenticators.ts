// Authenticators of an account (x/accountplus/authenticator): what a permissioned key may sign. A filter of pairs or
// subaccounts lets every message pass that is no clob message, as on the chain: only a message filter stops those.
import { z } from 'zod';
import { type ClobMessage, isClob, type Message, orderIdOf, typeUrlOf } from '../wire/message.ts';
import { type Refusal, refuse } from '../wire/refusal.ts';

const PUBLIC_KEY_BYTES = 33;

type Request = {
  readonly message: Message;
  /** Was the transaction signed with this key, for the owner's account number? */
  readonly isSignedBy: (publicKey: Uint8Array) => boolean;
};
type Check = (request: Request) => Refusal | undefined;

export type Authenticator = {
  readonly id: bigint;
  readonly type: string;
  readonly config: Uint8Array;
  readonly check: Check;
};

const partsSchema = z.array(z.object({ type: z.string(), config: z.base64() })).min(2);
type Part = { readonly type: string; readonly config: Uint8Array };

/** Throws when it is no JSON list of at least two authenticators. */
function partsOf(config: Uint8Array): Part[] {
  return partsSchema
    .parse(JSON.parse(Buffer.from(config).toString('utf8')))
    .map((part) => ({ type: part.type, config: Buffer.from(part.config, 'base64') }));
}

function listOf(config: Uint8Array): ReadonlySet<string> {
  return new Set(Buffer.from(config).toString('utf8').split(','));
}

function pairsOf(message: ClobMessage): number[] {
  switch (message.kind) {
    case 'place':
      return [orderIdOf(message.order.orderId).clobPairId];
    case 'cancel':
      return [orderIdOf(message.cancel.orderId).clobPairId];
    case 'batch_cancel':
      return message.batch.shortTermCancels.map((list) => list.clobPairId);
  }
}

function subaccountOf(message: ClobMessage): number {
  switch (message.kind) {
    case 'place':
      return orderIdOf(message.order.orderId).subaccountNumber;
    case 'cancel':
      return orderIdOf(message.cancel.orderId).subaccountNumber;
    case 'batch_cancel':
      return message.batch.subaccountId?.number ?? 0;
  }
}

function allOf(checks: readonly Check[]): Check {
  return (request) => {
    for (const check of checks) {
      const refusal = check(request);
      if (refusal) return refuse('accountplus', 104, `${refusal.log}: AllOf verification failed`);
    }
    return undefined;
  };
}

function anyOf(checks: readonly Check[]): Check {
  return (request) => {
    const logs: string[] = [];
    for (const check of checks) {
      const refusal = check(request);
      if (!refusal) return undefined;
      logs.push(refusal.log);
    }
    return refuse('accountplus', 105, `all sub-authenticators failed to authenticate: ${logs.join('; ')}`);
  };
}

/** Config → what it checks; throws on a type or a config that the chain does not know. */
function compile(type: string, config: Uint8Array): Check {
  switch (type) {
    case 'SignatureVerification':
      return ({ isSignedBy }) =>
        isSignedBy(config)
          ? undefined
          : refuse(
              'accountplus',
              100,
              'signature verification failed; please verify account number and chain-id',
            );
    case 'MessageFilter': {
      const allowed = listOf(config);
      return ({ message }) =>
        allowed.has(typeUrlOf(message))
          ? undefined
          : refuse('accountplus', 101, `message types do not match. Got ${typeUrlOf(message)}`);
    }
    case 'ClobPairIdFilter': {
      const allowed = listOf(config);
      return ({ message }) => {
        const foreign = isClob(message) && pairsOf(message).find((pair) => !allowed.has(String(pair)));
        return typeof foreign === 'number'
          ? refuse('accountplus', 102, `order id ${foreign} not in whitelist`)
          : undefined;
      };
    }
    case 'SubaccountFilter': {
      const allowed = listOf(config);
      return ({ message }) =>
        !isClob(message) || allowed.has(String(subaccountOf(message)))
          ? undefined
          : refuse('accountplus', 103, `subaccount number ${subaccountOf(message)} not in whitelist`);
    }
    case 'AllOf':
      return allOf(partsOf(config).map((part) => compile(part.type, part.config)));
    case 'AnyOf':
      return anyOf(partsOf(config).map((part) => compile(part.type, part.config)));
    default:
      throw new Error(`authenticator type ${type} is not registered`);
  }
}

/** Does every way through it verify a signature? */
function needsSignature(type: string, config: Uint8Array): boolean {
  const part = (each: Part): boolean => needsSignature(each.type, each.config);
  switch (type) {
    case 'SignatureVerification':
      return true;
    case 'AllOf':
      return partsOf(config).some(part);
    case 'AnyOf':
      return partsOf(config).every(part);
    default:
      return false;
  }
}

function hasBadKey(type: string, config: Uint8Array): boolean {
  if (type === 'SignatureVerification') return config.length !== PUBLIC_KEY_BYTES;
  if (type !== 'AllOf' && type !== 'AnyOf') return false;
  return partsOf(config).some((part) => hasBadKey(part.type, part.config));
}

/** Errors without a code of their own come out as undefined/1. */
export function checkRegistration(type: string, config: Uint8Array): Refusal | undefined {
  try {
    compile(type, config);
    if (hasBadKey(type, config)) return refuse('undefined', 1, 'invalid secp256k1 public key size');
    if (needsSignature(type, config)) return undefined;
    return refuse(
      'undefined',
      1,
      `unsafe: authenticator tree does not require signature verification all possible paths, type = ${type}`,
    );
  } catch (error) {
    return refuse('undefined', 1, `\`OnAuthenticatorAdded\` failed on authenticator type ${type}: ${error}`);
  }
}

/** All accounts' authenticators. A value: a block that is being built registers and removes on its own copy. */
export type Registry = {
  readonly nextId: bigint;
  readonly byOwner: ReadonlyMap<string, readonly Authenticator[]>;
};

export const EMPTY_REGISTRY: Registry = { nextId: 0n, byOwner: new Map() };

export function addAuthenticator(
  { nextId, byOwner }: Registry,
  owner: string,
  type: string,
  config: Uint8Array,
): Registry {
  const added: Authenticator = { id: nextId, type, config, check: compile(type, config) };
  const owned = [...(byOwner.get(owner) ?? []), added];
  return { nextId: nextId + 1n, byOwner: new Map(byOwner).set(owner, owned) };
}

export function removeAuthenticator({ nextId, byOwner }: Registry, owner: string, id: bigint): Registry {
  const kept = (byOwner.get(owner) ?? []).filter((each) => each.id !== id);
  return { nextId, byOwner: new Map(byOwner).set(owner, kept) };
}

export function findAuthenticator(registry: Registry, owner: string, id: bigint): Authenticator | undefined {
  return registry.byOwner.get(owner)?.find((each) => each.id === id);
}
