// What a node answers to questions (everything but broadcasts), in the shapes that the unmodified v4-client-js decodes
// (facts §8). Hashes are made up but stable. Short-term transactions never enter a block, so `tx` finds none, ever.
import { sha256 } from '../chain/ecdsa.ts';
import { isDydxAddress, paperAccountNumber } from './accounts.ts';
import type { Chain } from './chain.ts';
import { bytesField, readFields, writeBytes, writeNumber } from './protobuf.ts';

type RpcError = { readonly code: number; readonly message: string; readonly data: string };
export type Outcome = { readonly result: unknown } | { readonly error: RpcError };
export type Params = Readonly<Record<string, unknown>>;

export const INTERNAL = -32603;
const NODE_VERSION = '0.38.5-paper';

export function fail(code: number, message: string, data: string): Outcome {
  return { error: { code, message, data } };
}

/** Hashes that nobody checks: fixed by what they stand for. */
function hashOf(label: string): string {
  return sha256(Buffer.from(label)).toString('hex').toUpperCase();
}

function timeAt(chain: Chain, height: number): string {
  return new Date(chain.ledger.blockTimesMs.get(height) ?? chain.ledger.timeMs).toISOString();
}

function status(chain: Chain): Outcome {
  const { height } = chain.ledger;
  const hash = hashOf(`block ${height}`);
  const node = hashOf('node').slice(0, 40);
  return {
    result: {
      node_info: {
        protocol_version: { p2p: '8', block: '11', app: '0' },
        id: node.toLowerCase(),
        listen_addr: 'tcp://0.0.0.0:26656',
        network: chain.chainId,
        version: NODE_VERSION,
        channels: '40202122233038606100',
        moniker: 'paper',
        other: { tx_index: 'on', rpc_address: 'tcp://0.0.0.0:26657' },
      },
      sync_info: {
        latest_block_hash: hash,
        latest_app_hash: hash,
        latest_block_height: String(height),
        latest_block_time: timeAt(chain, height),
        earliest_block_hash: hashOf('block 1'),
        earliest_app_hash: hashOf('block 1'),
        earliest_block_height: '1',
        earliest_block_time: timeAt(chain, 1),
        catching_up: false,
      },
      validator_info: {
        address: node,
        pub_key: {
          type: 'tendermint/PubKeyEd25519',
          value: sha256(Buffer.from('validator')).toString('base64'),
        },
        voting_power: '1',
      },
    },
  };
}

function block(chain: Chain, params: Params): Outcome {
  const asked = params['height'];
  const height = asked === undefined || asked === null ? chain.ledger.height : Number(asked);
  if (!Number.isInteger(height) || height < 1 || height > chain.ledger.height) {
    const reason = `height ${String(asked)} must be between 1 and the current blockchain height ${chain.ledger.height}`;
    return fail(INTERNAL, 'Internal error', reason);
  }
  const hash = hashOf(`block ${height}`);
  const lastHash = height > 1 ? hashOf(`block ${height - 1}`) : '';
  const lastId = { hash: lastHash, parts: { total: height > 1 ? 1 : 0, hash: lastHash } };
  return {
    result: {
      block_id: { hash, parts: { total: 1, hash } },
      block: {
        header: {
          version: { block: '11' },
          chain_id: chain.chainId,
          height: String(height),
          time: timeAt(chain, height),
          last_block_id: lastId,
          last_commit_hash: hash,
          data_hash: hash,
          validators_hash: hash,
          next_validators_hash: hash,
          consensus_hash: hash,
          app_hash: hash,
          last_results_hash: hash,
          evidence_hash: hash,
          proposer_address: hash.slice(0, 40),
        },
        data: { txs: [] },
        evidence: { evidence: [] },
        last_commit: { height: String(height - 1), round: 0, block_id: lastId, signatures: [] },
      },
    },
  };
}

function accountResponse(address: string): Uint8Array {
  const account = Buffer.concat([
    writeBytes(1, address),
    writeNumber(3, BigInt(paperAccountNumber(address))),
  ]);
  return writeBytes(
    1,
    Buffer.concat([writeBytes(1, '/cosmos.auth.v1beta1.BaseAccount'), writeBytes(2, account)]),
  );
}

/** BlockRateLimitConfiguration with its field 4, short-term orders and cancels together. */
function rateLimitResponse({ limit, blocks }: Chain['limit']): Uint8Array {
  const rate = Buffer.concat([writeNumber(1, BigInt(blocks)), writeNumber(2, BigInt(limit))]);
  return writeBytes(1, writeBytes(4, rate));
}

function abciQuery(chain: Chain, params: Params): Outcome {
  const height = String(chain.ledger.height);
  const answer = (code: number, log: string, value: Uint8Array | null): Outcome => ({
    result: {
      response: {
        code,
        log,
        info: '',
        index: '0',
        key: null,
        value: value === null ? null : Buffer.from(value).toString('base64'),
        proofOps: null,
        height,
        codespace: code === 0 ? '' : 'sdk',
      },
    },
  });
  const data = Buffer.from(String(params['data'] ?? ''), 'hex');
  switch (params['path']) {
    case '/cosmos.auth.v1beta1.Query/Account': {
      try {
        const address = Buffer.from(bytesField(readFields(data), 1)).toString('utf8');
        if (isDydxAddress(address)) return answer(0, '', accountResponse(address));
        return answer(
          22,
          `rpc error: code = NotFound desc = account ${address} not found: key not found`,
          null,
        );
      } catch {
        return answer(2, 'tx parse error', null);
      }
    }
    case '/dydxprotocol.clob.Query/BlockRateLimitConfiguration':
      return answer(0, '', rateLimitResponse(chain.limit));
    default:
      return answer(6, `unknown query path: ${String(params['path'])}`, null);
  }
}

export function answerQuery(chain: Chain, method: string, params: Params): Outcome {
  switch (method) {
    case 'status':
      return status(chain);
    case 'health':
      return { result: {} };
    case 'abci_info':
      return {
        result: {
          response: {
            data: 'dydxprotocol',
            version: NODE_VERSION,
            last_block_height: String(chain.ledger.height),
            last_block_app_hash: sha256(Buffer.from(`block ${chain.ledger.height}`)).toString('base64'),
          },
        },
      };
    case 'block':
      return block(chain, params);
    case 'abci_query':
      return abciQuery(chain, params);
    case 'tx': {
      const hash = Buffer.from(String(params['hash'] ?? ''), 'base64')
        .toString('hex')
        .toUpperCase();
      return fail(INTERNAL, 'Internal error', `tx (${hash}) not found`);
    }
    default:
      return fail(-32601, 'Method not found', method);
  }
}
