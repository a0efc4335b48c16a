// One line for why Redis cannot be used, with the variable to look at and what to do.
import type { Redis } from 'ioredis';
import type { RedisClient } from './open-redis.ts';
import type { RedisTarget } from './redis-url.ts';

type Kind = RedisTarget['kind'];

/** What ioredis tells the caller of a command is that there is no connection; why is told by these events. */
const CAUSES = ['error', 'node error', 'sentinelError'] as const;
const VAGUE = /Connection is closed|max retries per request|None of startup nodes|sentinels are unreachable/;

/** @returns an error of this connection's → one that names the cause and what to do */
export function explainErrorsOf(client: RedisClient, kind: Kind): (error: unknown) => Error {
  let latest: Error | undefined;
  const keep = (error: Error) => {
    if (!VAGUE.test(error.message) || 'lastNodeError' in error) latest = error;
  };
  // Every command that fails is told to its caller; without a listener it would be printed as well.
  for (const event of CAUSES) (client as Redis).on(event, keep);
  return (error) => {
    const own = error instanceof Error ? error : new Error(String(error));
    const telling = VAGUE.test(own.message) ? (latest ?? own) : own;
    return new Error(describeRedisError(telling, kind), { cause: error });
  };
}

/** `REDIS_URL: <what Redis or the network says>: <what to do>` */
export function describeRedisError(error: Error, kind: Kind): string {
  const said = innermost(error).message;
  const hint = HINTS.find(({ says, only }) => says.test(said) && (only ?? kind) === kind)?.hint;
  return `REDIS_URL: ${said.replace(/\.$/, '')}: ${hint ?? 'is Redis running?'}`;
}

/** A cluster's client wraps what a node said. */
function innermost(error: Error): Error {
  const inner = 'lastNodeError' in error ? error.lastNodeError : undefined;
  return inner instanceof Error ? innermost(inner) : error;
}

const HINTS: readonly { readonly says: RegExp; readonly only?: Kind; readonly hint: string }[] = [
  { says: /WRONGPASS|invalid username-password|invalid password/, hint: 'check user and password in it' },
  { says: /NOAUTH|Authentication required/, hint: 'it lacks the password, redis://:password@host' },
  { says: /NOPERM/, hint: "its user needs all commands on the queue's keys, and INFO" },
  {
    says: /invalid reply: null|No such master/,
    only: 'sentinel',
    hint: 'the sentinels know no master of the name that it ends with',
  },
  {
    says: /sentinels are unreachable/,
    hint: 'does one of the sentinels run, are their hosts and ports right?',
  },
  { says: /unknown command.*SENTINEL/i, only: 'sentinel', hint: 'this is no sentinel, but a Redis itself' },
  { says: /cluster support disabled/, hint: 'this is no cluster, write redis:// or redis-sentinel://' },
  { says: /^MOVED|CROSSSLOT/, hint: 'this is a node of a cluster, write redis-cluster://' },
  { says: /ECONNREFUSED/, only: 'single', hint: 'is Redis running, are host and port right?' },
  { says: /ECONNREFUSED/, hint: 'is one of these running, are hosts and ports right?' },
  { says: /ENOTFOUND|EAI_AGAIN/, hint: 'is the host name right?' },
  {
    says: /ETIMEDOUT|timed out|EHOSTUNREACH|ENETUNREACH/i,
    hint: 'nothing answers there, is the host right and no firewall between?',
  },
  {
    says: /wrong version number|packet length too long|ssl|certificate|self.signed/i,
    hint: 'rediss:// is with TLS and redis:// without; NODE_EXTRA_CA_CERTS names an own root',
  },
  { says: /LOADING/, hint: 'it is loading its data, wait' },
];
