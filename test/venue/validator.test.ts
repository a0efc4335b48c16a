// Every way in which a validator can answer, or not, and what the router makes of it.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { BroadcastAnswer } from '../../src/core/ports.ts';
import { createValidator } from '../../src/venue/validator.ts';
import { TOLD_BY } from './rpc-script.ts';
import {
  json,
  type Script,
  type ScriptedServer,
  startMuteTcpServer,
  startServer,
  text,
} from './scripted-server.ts';

const TX = Uint8Array.from([1, 2, 250]);

let server: ScriptedServer;
let validator: ReturnType<typeof createValidator>;

beforeEach(async () => {
  server = await startServer();
  validator = createValidator({ url: server.url, timeoutMs: 250, ...TOLD_BY });
});
afterEach(async () => {
  await validator.close();
  await server.close();
});

const result = (value: unknown) => json({ jsonrpc: '2.0', id: 1, result: value });
const rpcError = (error: unknown) => json({ jsonrpc: '2.0', id: 1, error });

async function broadcastTo(script: Script): Promise<BroadcastAnswer> {
  server.answer = script;
  return validator.broadcast(TX);
}

describe('broadcast', () => {
  test('posts broadcast_tx_sync with the transaction in base64', async () => {
    await broadcastTo(result({ code: 0 }));
    expect(server.paths).toEqual(['POST /']);
    expect(JSON.parse(server.bodies[0] ?? '')).toEqual({
      jsonrpc: '2.0',
      id: 1,
      method: 'broadcast_tx_sync',
      params: { tx: 'AQL6' },
    });
  });

  test('keeps the path and query of the URL', async () => {
    const withPath = createValidator({ url: `${server.url}/rpc/?key=1`, timeoutMs: 250, ...TOLD_BY });
    server.answer = result({ code: 0 });
    expect((await withPath.broadcast(TX)).kind).toBe('check_tx');
    expect(server.paths).toEqual(['POST /rpc?key=1']);
    await withPath.close();
  });

  test('CheckTx code 0 is a check_tx answer', async () => {
    const answer = await broadcastTo(result({ code: 0, codespace: '', log: '[]', data: '', hash: 'AB' }));
    expect(answer).toEqual({ kind: 'check_tx', codespace: '', code: 0, log: '[]' });
  });

  test('a CheckTx refusal keeps code, codespace and log', async () => {
    const answer = await broadcastTo(result({ code: 2001, codespace: 'clob', log: 'would increase' }));
    expect(answer).toEqual({ kind: 'check_tx', codespace: 'clob', code: 2001, log: 'would increase' });
  });

  test('a JSON-RPC error is an rpc_error with its data as message', async () => {
    const answer = await broadcastTo(
      rpcError({ code: -32603, message: 'Internal error', data: 'tx already exists in cache' }),
    );
    expect(answer).toEqual({ kind: 'rpc_error', code: -32603, message: 'tx already exists in cache' });
  });

  test('a JSON-RPC error without data is an rpc_error with its message', async () => {
    const answer = await broadcastTo(rpcError({ code: -32601, message: 'Method not found' }));
    expect(answer).toEqual({ kind: 'rpc_error', code: -32601, message: 'Method not found' });
  });

  const noAnswers: readonly (readonly [name: string, script: Script, reason: RegExp])[] = [
    ['a timeout', () => {}, /no answer within 250 ms/],
    [
      'a reset after the request arrived',
      ({ req }) => req.socket.resetAndDestroy(),
      /ECONNRESET|UND_ERR_SOCKET/,
    ],
    ['a connection closed without an answer', ({ req }) => req.socket.end(), /UND_ERR_SOCKET/],
    ['HTTP 400', json({ error: { code: 1 } }, 400), /HTTP 400/],
    ['HTTP 429', text('slow down', 429), /HTTP 429/],
    ['HTTP 500 with a result', json({ result: { code: 0 } }, 500), /HTTP 500/],
    ['HTTP 502 with HTML', text('<html>bad gateway</html>', 502), /HTTP 502/],
    ['a redirect', ({ res }) => res.writeHead(307, { location: '/x' }).end(), /HTTP 307/],
    ['HTML with status 200', text('<html>hello</html>'), /not JSON/],
    ['an empty body', text(''), /empty body/],
    [
      'half a body, then silence',
      ({ res }) => res.writeHead(200, { 'content-length': '99' }).write('{"res'),
      /within/,
    ],
    [
      'half a body, then a reset',
      ({ res, req }) => {
        res.writeHead(200, { 'content-length': '99' }).write('{"res', () => req.socket.resetAndDestroy());
      },
      /ECONNRESET|UND_ERR_SOCKET/,
    ],
    [
      'half a body, then the end of the connection',
      ({ res, req }) => {
        res.writeHead(200, { 'content-length': '99' }).write('{"res', () => req.socket.end());
      },
      /UND_ERR/,
    ],
    ['a truncated body of the stated length', text('{"jsonrpc":"2.0","result":{"co'), /not JSON/],
    [
      'a body beyond 1 MiB',
      text(`{"result":{"code":0,"log":"${'x'.repeat(1024 * 1024)}"}}`),
      /UND_ERR_RES_EXCEEDED/,
    ],
    ['10 MB of HTML', text(`<html>${'x'.repeat(10_000_000)}`), /UND_ERR_RES_EXCEEDED/],
    ['something that is no HTTP', ({ req }) => req.socket.end('hello\r\n\r\n'), /HTTPParserError/],
    ['a JSON number', text('17'), /not a JSON-RPC answer/],
    ['a JSON array', text('[{"result":{"code":0}}]'), /not a JSON-RPC answer/],
    ['an answer without result and error', json({ jsonrpc: '2.0', id: 1 }), /without a result/],
    ['a null result', result(null), /without a result/],
    ['a result without a code', result({ log: '' }), /without a code/],
    ['a result whose code is a string', result({ code: '0' }), /without a code/],
    ['a result whose code is a fraction', result({ code: 0.5 }), /without a code/],
    ['an error without a code', rpcError({ message: 'no' }), /without a code/],
  ];
  for (const [name, script, reason] of noAnswers) {
    test(`${name} is no answer`, async () => {
      const answer = await broadcastTo(script);
      expect(answer).toEqual({ kind: 'no_answer', reason: expect.stringMatching(reason) });
      expect(server.bodies).toHaveLength(1);
    });
  }

  test('a refused connection (ECONNREFUSED) is not sent', async () => {
    await server.close();
    expect(await validator.broadcast(TX)).toEqual({
      kind: 'not_sent',
      reason: expect.stringMatching(/ECONNREFUSED/),
    });
    server = await startServer();
  });

  test('an unknown host (ENOTFOUND, EAI_AGAIN) is not sent', async () => {
    const nowhere = createValidator({ url: 'http://nowhere.invalid', timeoutMs: 500, ...TOLD_BY });
    expect(await nowhere.broadcast(TX)).toEqual({
      kind: 'not_sent',
      reason: expect.stringMatching(/ENOTFOUND|EAI_AGAIN|no connection within/),
    });
    await nowhere.close();
  });

  test('a connect timeout is not sent: the handshake has not ended, so no request was written', async () => {
    const mute = await startMuteTcpServer();
    const slow = createValidator({ url: `https://127.0.0.1:${mute.port}`, timeoutMs: 200, ...TOLD_BY });
    expect(await slow.broadcast(TX)).toEqual({
      kind: 'not_sent',
      reason: expect.stringMatching(/UND_ERR_CONNECT_TIMEOUT|no connection within/),
    });
    await mute.close();
    await slow.close();
  });

  test('waiting for a free connection until the deadline is not sent, and is never sent later', async () => {
    const narrow = createValidator({ url: server.url, timeoutMs: 250, connections: 1, ...TOLD_BY });
    const [first, second] = await Promise.all([narrow.broadcast(TX), narrow.broadcast(Uint8Array.of(9))]);
    expect(first.kind).toBe('no_answer');
    expect(second).toEqual({ kind: 'not_sent', reason: 'no connection within 250 ms' });
    server.answer = result({ code: 0 });
    expect((await narrow.broadcast(TX)).kind).toBe('check_tx');
    expect(server.bodies.map((body) => JSON.parse(body).params.tx)).toEqual(['AQL6', 'AQL6']);
    await narrow.close();
  });

  test('after close a broadcast is not sent, and close may be called again', async () => {
    await validator.close();
    expect((await validator.broadcast(TX)).kind).toBe('not_sent');
    await validator.close();
  });

  test('many at once share a bounded number of connections and all get their answer', async () => {
    const sockets = new Set<unknown>();
    server.answer = (exchange) => {
      sockets.add(exchange.req.socket);
      result({ code: 0 })(exchange);
    };
    const four = createValidator({ url: server.url, timeoutMs: 5_000, connections: 4, ...TOLD_BY });
    const answers = await Promise.all(Array.from({ length: 200 }, () => four.broadcast(TX)));
    expect(answers.every((answer) => answer.kind === 'check_tx')).toBe(true);
    expect(sockets.size).toBeLessThanOrEqual(4);
    await four.close();
  });
});

const STATUS = {
  node_info: { network: 'dydx-paper-1' },
  sync_info: { latest_block_height: '123', latest_block_time: '2026-03-04T05:06:07.123456789Z' },
};
const status = (sync: object = {}, network = 'dydx-paper-1') =>
  result({ node_info: { network }, sync_info: { ...STATUS.sync_info, ...sync } });

describe('status', () => {
  test('gives the newest block with its time, and the chain id', async () => {
    server.answer = status({ catching_up: false });
    expect(await validator.latestBlock()).toEqual({
      height: 123,
      time: new Date('2026-03-04T05:06:07.123Z'),
    });
    expect(await validator.chainId()).toBe('dydx-paper-1');
  });

  test('throws when the node is catching up', async () => {
    server.answer = status({ catching_up: true });
    await expect(validator.latestBlock()).rejects.toThrow(/catching up/);
  });

  test('throws when the node is on another chain, but tells which', async () => {
    server.answer = status({}, 'other-1');
    await expect(validator.latestBlock()).rejects.toThrow(
      /127\.0\.0\.1:\d+ is on chain other-1, not dydx-paper-1/,
    );
    expect(await validator.chainId()).toBe('other-1');
  });

  test('throws when the newest block is from the future', async () => {
    server.answer = status({ latest_block_time: '2026-03-05T01:00:00Z' });
    await expect(validator.latestBlock()).rejects.toThrow(
      /the newest block of 127\.0\.0\.1:\d+ is 3600\.0 s in the future: this clock is behind/,
    );
  });

  test('says whether the node indexes transactions', async () => {
    server.answer = status();
    expect(await validator.indexesTransactions()).toBe(false);
    server.answer = result({
      ...STATUS,
      node_info: { network: 'dydx-paper-1', other: { tx_index: 'on' } },
    });
    expect(await validator.indexesTransactions()).toBe(true);
  });

  test('throws on a malformed height, naming the field', async () => {
    server.answer = status({ latest_block_height: '12x' });
    await expect(validator.latestBlock()).rejects.toThrow(/latest_block_height/);
  });

  test('throws when there is no answer, naming host and cause', async () => {
    server.answer = text('<html>', 503);
    await expect(validator.latestBlock()).rejects.toThrow(/status failed at 127\.0\.0\.1:\d+: HTTP 503/);
  });
});
