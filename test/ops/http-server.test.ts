import { once } from 'node:events';
import { createConnection } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createHealth } from '../../src/ops/health.ts';
import { startOpsServer } from '../../src/ops/http-server.ts';
import { createMetrics } from '../../src/ops/metrics.ts';

const HOST = '127.0.0.1';

async function serve(port = 0) {
  const health = createHealth('tester');
  const metrics = createMetrics('tester');
  const server = await startOpsServer({ host: HOST, port, health, metrics });
  onTestFinished(server.close);
  const get = (path: string, init?: RequestInit) => fetch(`http://${HOST}:${server.port}${path}`, init);
  return { health, metrics, server, get };
}

test('says that it lives, whether it is ready, and what it counts', async () => {
  const { health, metrics, get } = await serve();
  expect((await get('/livez')).status).toBe(200);
  expect([(await get('/readyz')).status, (await get('/livez')).status]).toEqual([503, 200]);
  health.markStarted([]);
  metrics.watchProcess(health);
  const ready = await get('/readyz?verbose');
  expect([ready.status, ready.headers.get('content-type'), ready.headers.get('cache-control')]).toEqual([
    200,
    'application/json; charset=utf-8',
    'no-store',
  ]);
  expect(await ready.json()).toEqual({ status: 'ready', component: 'tester', checks: {} });
  const scraped = await get('/metrics');
  expect(scraped.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  const text = await scraped.text();
  expect(text).toContain('router_ready{component="tester"} 1');
  expect(text).toMatch(/^router_build_info\{version="\d+\.\d+\.\d+",node="v\d+.*",component="tester"\} 1$/m);
  health.markStopping();
  const stopping = await get('/readyz');
  expect([stopping.status, await stopping.json()]).toMatchObject([503, { status: 'stopping' }]);
  expect((await get('/livez')).status).toBe(200);
});

test('knows three addresses and two methods', async () => {
  const { get } = await serve();
  for (const path of ['/', '/livez/', '/metrics/x', '/constructor', '/toString']) {
    expect([path, (await get(path)).status]).toEqual([path, 404]);
  }
  const head = await get('/livez', { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
  const posted = await get('/livez', { method: 'POST', body: 'x'.repeat(100) });
  expect([posted.status, posted.headers.get('allow'), posted.headers.get('connection')]).toEqual([
    405,
    'GET, HEAD',
    'close',
  ]);
});

test('a port that is in use is told with what to do, and so is an address of another machine', async () => {
  const { server } = await serve();
  await expect(serve(server.port)).rejects.toThrow(
    `PORT=${server.port} is in use on ${HOST}: end what listens there, or set another PORT (0 takes any free one)`,
  );
  const health = createHealth('tester');
  const metrics = createMetrics('tester');
  await expect(startOpsServer({ host: '192.0.2.1', port: 0, health, metrics })).rejects.toThrow(
    'HOST=192.0.2.1 is no address of this machine',
  );
});

test('closes although a client keeps its connection, and has asked for nothing', async () => {
  const { server } = await serve();
  const socket = createConnection(server.port, HOST);
  await once(socket, 'connect');
  const closed = once(socket, 'close');
  await Promise.all([server.close(), server.close()]);
  await closed;
  await expect(fetch(`http://${HOST}:${server.port}/livez`)).rejects.toThrow();
});

test('a header that does not end within its size is answered with an error', async () => {
  const { server } = await serve();
  const socket = createConnection(server.port, HOST);
  socket.write(`GET /livez HTTP/1.1\r\nhost: x\r\nx-long: ${'x'.repeat(20_000)}`);
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /);
  socket.destroy();
});
