// What a node answers to questions (everything but broadcasts), in the shapes that the unmodified v4-client-js decodes
// (facts §8), at the node's own height. Hashes are made up but stable. Short-term transactions never enter a block, so
// `tx` never finds one; of stateful ones it finds what was included, whatever the result.
import { sha256 } from '../../chain/ecdsa.ts';
import type { PaperNode } from '../node/node.ts';
import { abciQuery } from './abci-queries.ts';

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

function timeAt({ chain, view }: PaperNode, height: number): string {
  return new Date(chain.ledger.blockTimesMs.get(height) ?? view.timeMs).toISOString();
}

function status(node: PaperNode): Outcome {
  const { height } = node.view;
  const { tx_index: hasIndex, catching_up: isCatchingUp } = node.settings;
  const hash = hashOf(`block ${height}`);
  const id = hashOf(`node ${node.index}`).slice(0, 40);
  return {
    result: {
      node_info: {
        protocol_version: { p2p: '8', block: '11', app: '0' },
        id: id.toLowerCase(),
        listen_addr: 'tcp://0.0.0.0:26656',
        network: node.chain.chainId,
        version: NODE_VERSION,
        channels: '40202122233038606100',
        moniker: `paper-${node.index}`,
        other: { tx_index: hasIndex ? 'on' : 'off', rpc_address: 'tcp://0.0.0.0:26657' },
      },
      sync_info: {
        latest_block_hash: hash,
        latest_app_hash: hash,
        latest_block_height: String(height),
        latest_block_time: timeAt(node, height),
        earliest_block_hash: hashOf('block 1'),
        earliest_app_hash: hashOf('block 1'),
        earliest_block_height: '1',
        earliest_block_time: timeAt(node, 1),
        catching_up: isCatchingUp,
      },
      validator_info: {
        address: id,
        pub_key: {
          type: 'tendermint/PubKeyEd25519',
          value: sha256(Buffer.from('validator')).toString('base64'),
        },
        voting_power: '1',
      },
    },
  };
}

function block(node: PaperNode, params: Params): Outcome {
  const asked = params['height'];
  const newest = node.view.height;
  const height = asked === undefined || asked === null ? newest : Number(asked);
  if (!Number.isInteger(height) || height < 1 || height > newest) {
    const reason = `height ${String(asked)} must be between 1 and the current blockchain height ${newest}`;
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
          chain_id: node.chain.chainId,
          height: String(height),
          time: timeAt(node, height),
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
        data: { txs: (node.chain.ledger.transactionsAt.get(height) ?? []).map(({ bytes }) => bytes) },
        evidence: { evidence: [] },
        last_commit: { height: String(height - 1), round: 0, block_id: lastId, signatures: [] },
      },
    },
  };
}

function tx(node: PaperNode, params: Params): Outcome {
  if (!node.settings.tx_index) return fail(INTERNAL, 'Internal error', 'transaction indexing is disabled');
  const hash = Buffer.from(String(params['hash'] ?? ''), 'base64')
    .toString('hex')
    .toUpperCase();
  const found = node.chain.ledger.transactions.get(hash);
  if (!found || found.height > node.view.height)
    return fail(INTERNAL, 'Internal error', `tx (${hash}) not found`);
  const { height, index, code, codespace, log, bytes } = found;
  return {
    result: {
      hash,
      height: String(height),
      index,
      tx_result: {
        code,
        data: '',
        log,
        codespace,
        gas_wanted: '1000000',
        gas_used: '0',
        events: [],
      },
      tx: bytes,
    },
  };
}

function abciInfo(node: PaperNode): Outcome {
  const { height } = node.view;
  return {
    result: {
      response: {
        data: 'dydxprotocol',
        version: NODE_VERSION,
        last_block_height: String(height),
        last_block_app_hash: sha256(Buffer.from(`block ${height}`)).toString('base64'),
      },
    },
  };
}

export function answerQuery(node: PaperNode, method: string, params: Params): Outcome {
  switch (method) {
    case 'status':
      return status(node);
    case 'health':
      return { result: {} };
    case 'abci_info':
      return abciInfo(node);
    case 'block':
      return block(node, params);
    case 'abci_query':
      return { result: { response: abciQuery(node, params) } };
    case 'tx':
      return tx(node, params);
    default:
      return fail(-32601, 'Method not found', method);
  }
}
