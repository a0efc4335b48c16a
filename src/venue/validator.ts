// One validator. broadcast never throws and never guesses: only a well-formed CheckTx answer is one, and only a request
// that never reached a socket is "not sent". What is evidence is asked for only after a status whose word counts
// (witness.ts).
// Source: cometbft rpc/core (mempool.go, status.go, abci.go).
import type { BroadcastAnswer, Validator } from '../core/ports.ts';
import { findTx } from './find-tx.ts';
import type { HttpClient } from './http.ts';
import { createJsonRpc, isInteger, noAnswer, type RpcReply } from './json-rpc.ts';
import {
  askAccountNumber,
  askAuthenticators,
  askBlockRateLimits,
  askEquityTiers,
  askStatefulOrder,
} from './node-queries.ts';
import { askStatus, type NodeStatus } from './node-status.ts';
import { whyNoWitness } from './witness.ts';

export type ValidatorOptions = {
  /** RPC base URL, e.g. https://rpc.example.org:443 */
  readonly url: string;
  /** that is configured: a node of another chain is no evidence of anything */
  readonly chainId: string;
  /** Deadline of every call, see http.ts. Above the node's own CheckTx time, below the queue's lock time. */
  readonly timeoutMs: number;
  /** Sockets at most; at least rate × latency. Default 256. */
  readonly connections?: number;
  /** local clock, unix ms: the time of a block is compared with it */
  readonly now?: () => number;
};

/** What validators.ts, which has several of them, needs beside the port. */
export type ValidatorNode = Validator & {
  readonly host: string;
  readonly status: () => Promise<NodeStatus>;
  readonly close: () => Promise<void>;
};

/** @param http in place of a connection of its own */
export function createValidator(options: ValidatorOptions, http?: HttpClient): ValidatorNode {
  const { url, chainId, timeoutMs, connections = 256, now = Date.now } = options;
  const rpc = createJsonRpc({ url, timeoutMs, connections }, http);
  const { host } = rpc;

  async function askWitness(): Promise<NodeStatus> {
    const status = await askStatus(rpc);
    const why = whyNoWitness(host, status, chainId, now());
    if (why !== undefined) throw new Error(why);
    return status;
  }

  return {
    host,
    status: () => askStatus(rpc),

    broadcast: async (bytes, mayLeave) => {
      const tx = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
      const body = `{"jsonrpc":"2.0","id":1,"method":"broadcast_tx_sync","params":{"tx":"${tx}"}}`;
      return readBroadcast(await rpc.post(body, mayLeave));
    },

    latestBlock: async () => (await askWitness()).block,
    chainId: async () => (await askStatus(rpc)).chainId,
    accountNumber: (address) => askAccountNumber(rpc, address),
    findTx: (hash, sinceHeight) => findTx(rpc, askWitness, hash, sinceHeight),
    indexesTransactions: async () => (await askStatus(rpc)).isIndexing,
    statefulOrder: async (id, minHeight) => {
      await askWitness();
      return askStatefulOrder(rpc, id, minHeight);
    },
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
