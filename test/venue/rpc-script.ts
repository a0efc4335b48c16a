// Scripts of a node: JSON-RPC results and errors, a status, answers to ABCI queries.
import { json, type Script } from './scripted-server.ts';

/** The network of these nodes, and a local clock by which their blocks are new. */
export const TOLD_BY = { chainId: 'dydx-paper-1', now: () => Date.UTC(2026, 2, 5) } as const;

export const rpcResult = (value: unknown): Script => json({ jsonrpc: '2.0', id: 1, result: value });

export const rpcError = (error: unknown): Script => json({ jsonrpc: '2.0', id: 1, error });

/** A node that answers each method by its own script. */
export function byMethod(scripts: Readonly<Record<string, Script>>): Script {
  return (exchange) => {
    const { method } = JSON.parse(exchange.body);
    const script = scripts[method] ?? rpcError({ code: -32601, message: 'Method not found' });
    script(exchange);
  };
}

export type Told = {
  readonly height?: number;
  readonly time?: string;
  readonly chainId?: string;
  readonly isCatchingUp?: boolean;
  readonly txIndex?: string | undefined;
  readonly earliestHeight?: string | undefined;
};

export const status = (told: Told = {}): Script =>
  rpcResult({
    node_info: {
      network: told.chainId ?? 'dydx-paper-1',
      other: { tx_index: 'txIndex' in told ? told.txIndex : 'on' },
    },
    sync_info: {
      latest_block_height: String(told.height ?? 123),
      latest_block_time: told.time ?? '2026-03-04T05:06:07.123456789Z',
      catching_up: told.isCatchingUp ?? false,
      earliest_block_height: 'earliestHeight' in told ? told.earliestHeight : '1',
    },
  });

/** @param value protobuf; null: none */
export const abci = (value: Uint8Array | null, rest: object = {}): Script =>
  rpcResult({
    response: {
      code: 0,
      log: '',
      value: value === null ? null : Buffer.from(value).toString('base64'),
      height: '123',
      ...rest,
    },
  });

export const abciError = (code: number, log: string, rest: object = {}): Script =>
  abci(null, { code, log, ...rest });

/** What is no answer to any question. */
export const NO_ANSWERS: readonly (readonly [name: string, script: Script])[] = [
  ['silence', () => {}],
  ['a reset', ({ req }) => req.socket.resetAndDestroy()],
  ['HTTP 502', ({ res }) => res.writeHead(502).end('<html>bad gateway</html>')],
  ['HTML with status 200', ({ res }) => res.writeHead(200).end('<html>hello</html>')],
  ['an empty body', ({ res }) => res.writeHead(200).end()],
  ['truncated JSON', ({ res }) => res.writeHead(200).end('{"jsonrpc":"2.0","result":{"resp')],
  ['half a body, then silence', ({ res }) => res.writeHead(200, { 'content-length': '99' }).write('{"res')],
  ['10 MB', ({ res }) => res.writeHead(200).end(`{"result":"${'x'.repeat(10_000_000)}"}`)],
  ['a result of another shape', rpcResult({})],
  ['a null result', rpcResult(null)],
  ['a JSON-RPC error', rpcError({ code: -32603, message: 'Internal error', data: 'boom' })],
];
