// Real topologies of Redis on loopback: a cluster of masters, and a master with a replica under sentinels.
import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { freePort } from '../../src/kit/lab/free-port.ts';
import { type RedisServer, startRedisServer } from '../../src/kit/lab/redis-server.ts';

const CLUSTER_SLOTS = 16_384;
const FORM_TIMEOUT_MS = 20_000;
/** How long a silent master is one; the failover follows within another one or two seconds. */
const DOWN_AFTER_MS = 500;

export type RedisCluster = AsyncDisposable & { readonly url: string; readonly nodes: readonly RedisServer[] };

/** @param password of every node */
export async function startRedisCluster(masters: number, password?: string): Promise<RedisCluster> {
  await using opening = new AsyncDisposableStack();
  const nodes: RedisServer[] = [];
  const clients: Redis[] = [];
  using forming = new DisposableStack();
  for (let index = 0; index < masters; index++) {
    const args = ['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())];
    args.push('--cluster-node-timeout', '2000');
    const node = opening.use(await startRedisServer({ args: [...args, ...passwordArgs(password)] }));
    nodes.push(node);
    const client = clientOf(node, password);
    clients.push(forming.adopt(client, () => client.disconnect()));
  }
  const share = Math.ceil(CLUSTER_SLOTS / masters);
  for (const [index, client] of clients.entries()) {
    await client.cluster('ADDSLOTSRANGE', index * share, Math.min((index + 1) * share, CLUSTER_SLOTS) - 1);
    // Epochs of their own, or two nodes with the same one would have to settle that first.
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
  }
  for (const node of nodes.slice(1)) {
    const info = String(await clientCall(node, password, 'CONFIG', 'GET', 'cluster-port'));
    await clients[0]?.call('CLUSTER', 'MEET', '127.0.0.1', String(node.port), info.split(',')[1] ?? '');
  }
  await until('the cluster to form', async () => {
    const infos = await Promise.all(clients.map((client) => client.cluster('INFO')));
    return infos.every(
      (info) => info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${masters}`),
    );
  });
  const stack = opening.move();
  const hosts = nodes.map(({ port }) => `127.0.0.1:${port}`);
  return {
    url: `redis-cluster://${auth(password)}${hosts.join(',')}`,
    nodes,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export type RedisSentinels = AsyncDisposable & {
  /** the master is called `main` */
  readonly url: string;
  /** the first one begins as the master, the others as its replicas */
  readonly servers: readonly RedisServer[];
  /** Resolves when the sentinels name another master than this. */
  readonly promoted: (old: RedisServer) => Promise<number>;
};

/** @param password of the servers; the sentinels want none, as is common */
export async function startRedisSentinels(password?: string): Promise<RedisSentinels> {
  await using opening = new AsyncDisposableStack();
  const replicaArgs = password === undefined ? [] : ['--masterauth', password];
  const args = [...passwordArgs(password), ...replicaArgs, '--repl-diskless-sync-delay', '0'];
  const master = opening.use(await startRedisServer({ args }));
  const replica = opening.use(
    await startRedisServer({ args: [...args, '--replicaof', `127.0.0.1 ${master.port}`] }),
  );
  await until('the replica to follow', async () =>
    String(await clientCall(replica, password, 'INFO', 'replication')).includes('master_link_status:up'),
  );
  const sentinel = [
    `sentinel monitor main 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds main ${DOWN_AFTER_MS}`,
    'sentinel failover-timeout main 5000',
    ...(password === undefined ? [] : [`sentinel auth-pass main ${password}`]),
  ];
  const sentinels: RedisServer[] = [];
  for (let count = 0; count < 3; count++) sentinels.push(opening.use(await startRedisServer({ sentinel })));
  await until('the sentinels to know each other and the replica', async () => {
    const known = await Promise.all(
      sentinels.map((one) => clientCall(one, undefined, 'SENTINEL', 'MASTER', 'main')),
    );
    return known.every((reply) => /num-slaves,1,num-other-sentinels,2/.test(String(reply)));
  });
  const stack = opening.move();
  const hosts = sentinels.map(({ port }) => `127.0.0.1:${port}`);
  return {
    url: `redis-sentinel://${auth(password)}${hosts.join(',')}/main`,
    servers: [master, replica],
    promoted: async (old) => {
      let port = old.port;
      await until('the sentinels to promote the replica', async () => {
        const [first] = sentinels;
        if (first === undefined) return false;
        const reply = String(
          await clientCall(first, undefined, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main'),
        );
        port = Number(reply.split(',')[1]);
        return port !== old.port;
      });
      return port;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function passwordArgs(password: string | undefined): string[] {
  return password === undefined ? [] : ['--requirepass', password];
}

function auth(password: string | undefined): string {
  return password === undefined ? '' : `:${encodeURIComponent(password)}@`;
}

function clientOf({ port }: RedisServer, password: string | undefined): Redis {
  return new Redis({ port, host: '127.0.0.1', ...(password === undefined ? {} : { password }), protocol: 2 });
}

async function clientCall(
  server: RedisServer,
  password: string | undefined,
  command: string,
  ...args: string[]
): Promise<unknown> {
  const client = clientOf(server, password);
  try {
    return await client.call(command, ...args);
  } finally {
    client.disconnect();
  }
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + FORM_TIMEOUT_MS;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`waited ${FORM_TIMEOUT_MS} ms for ${what}`);
    await delay(20);
  }
}
