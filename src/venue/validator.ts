// One validator, one HTTP round trip a call. broadcast never throws and never guesses: only a well-formed CheckTx
// answer is one, and only a request that never reached a socket is "not sent".
// Source: cometbft rpc/core (mempool.go, status.go, abci.go).
import type { BroadcastAnswer, Validator } from '../core/ports.ts';
import { findTx } from './find-tx.ts';
import { createJsonRpc, isInteger, noAnswer, type RpcReply } from './json-rpc.ts';
import {
  askAccountNumber,
  askAuthenticators,
  askBlockRateLimits,
  askEquityTiers,
  askStatefulOrder,
} from './node-queries.ts';
import { askStatus, type NodeStatus } from './node-status.ts';

export type ValidatorOptions = {
  /** RPC base URL, e.g. https://rpc.example.org:443 */
  readonly url: string;
  /** Deadline of every call, see http.ts. Above the node's own CheckTx time, below the queue's lock time. */
  readonly timeoutMs: number;
  /** Sockets at most; at least rate × latency. Default 256. */
  readonly connections?: number;
};

/** What validators.ts, which has several of them, needs beside the port. */
export type ValidatorNode = Validator & {
  readonly host: string;
  readonly status: () => Promise<NodeStatus>;
  readonly close: () => Promise<void>;
};

export function createValidator({ url, timeoutMs, connections = 256 }: ValidatorOptions): ValidatorNode {
  const rpc = createJsonRpc({ url, timeoutMs, connections });
  const { host } = rpc;
  return {
    host,
    status: () => askStatus(rpc),

    broadcast: async (bytes, mayLeave) => {
      const tx = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
      const body = `{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"${tx}"}}`;
      return readBroadcast(await rpc.post(body, mayLeave));
    },

    latestBlock: async () => {
      const { block, isCatchingUp } = await askStatus(rpc);
      // A node that is still syncing knows old blocks only; its height would make every order expire early.
      if (isCatchingUp) throw new Error(`${host} is catching up, its height is not the chain's`);
      return block;
    },

    chainId: async () => (await askStatus(rpc)).chainId,
    accountNumber: (address) => askAccountNumber(rpc, address),
    findTx: (hash) => findTx(rpc, hash),
    statefulOrder: (id, minHeight) => askStatefulOrder(rpc, id, minHeight),
    blockRateLimits: () => askBlockRateLimits(rpc),
    equityTiers: () => askEquityTiers(rpc),
    authenticators: (owner) => askAuthenticators(rpc, owner),
    close: rpc.close,
  };
}

function readBroadcast(reply: RpcReply): BroadcastAnswer {
  if (reply.kind !== 'result') return reply;
  const { code, codespace, log } = reply.result;
  if (!isInteger(code)) return noAnswer('CheckTx answer without a code');
  return {
    kind: 'check_tx',
    code,
    codespace: typeof codespace === 'string' ? codespace : '',
    log: typeof log === 'string' ? log : '',
  };
}
