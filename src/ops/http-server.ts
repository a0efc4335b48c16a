// What a process manager and Prometheus ask a process over HTTP: /livez, /readyz, /metrics. Bounded in time,
// connections and bytes; reads no body, changes nothing.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Health } from './health.ts';
import type { Metrics } from './metrics.ts';

export type OpsServer = {
  readonly port: number;
  /** Idempotent; answers under way have a second to end. */
  readonly close: () => Promise<void>;
};

export type OpsServerOptions = {
  readonly host: string;
  /** 0: any free one */
  readonly port: number;
  readonly health: Health;
  readonly metrics: Metrics;
};

type Reply = { readonly status: number; readonly type: string; readonly body: string };

const REQUEST_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 1_000;
const MAX_CONNECTIONS = 64;
const MAX_HEADER_BYTES = 8 * 1024;
const JSON_TYPE = 'application/json; charset=utf-8';

/** Rejects with one line that says what to do when it cannot listen there. */
export async function startOpsServer(options: OpsServerOptions): Promise<OpsServer> {
  const { host, port } = options;
  const routes: Readonly<Record<string, () => Promise<Reply>>> = {
    // That this runs is the answer: the event loop turns.
    '/livez': async () => json(200, { status: 'alive' }),
    '/readyz': async () => {
      const report = await options.health.report();
      return json(report.status === 'ready' ? 200 : 503, report);
    },
    '/metrics': async () => {
      const { type, text } = await options.metrics.scrape();
      return { status: 200, type, body: text };
    },
  };
  const underWay = new Set<ServerResponse>();
  const server = createServer(
    {
      headersTimeout: REQUEST_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: REQUEST_TIMEOUT_MS,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: MAX_HEADER_BYTES,
    },
    (request, response) => {
      underWay.add(response);
      response.once('close', () => underWay.delete(response));
      answer(routes, request)
        .catch((error: unknown) =>
          json(500, { error: error instanceof Error ? error.message : String(error) }),
        )
        .then((reply) => send(request, response, reply));
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, host, port);
  const address = server.address();
  let closing: Promise<void> | undefined;
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: () => {
      closing ??= close(server, underWay);
      return closing;
    },
  };
}

async function answer(
  routes: Readonly<Record<string, () => Promise<Reply>>>,
  request: IncomingMessage,
): Promise<Reply> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return json(404, { error: `there is only ${Object.keys(routes).join(', ')}` });
  if (request.method !== 'GET' && request.method !== 'HEAD') return json(405, { error: 'GET or HEAD' });
  return route();
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body }: Reply): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    ...(status === 405 ? { allow: 'GET, HEAD' } : {}),
    // A body is not read: the connection cannot be used again.
    ...(hasBody ? { connection: 'close' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function json(status: number, value: object): Reply {
  return { status, type: JSON_TYPE, body: `${JSON.stringify(value)}\n` };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays: an error of a later connection harms that one only.
    server.on('error', (error: NodeJS.ErrnoException) => reject(new Error(whyNot(error, host, port))));
    server.listen(port, host, resolve);
  });
}

function whyNot({ code, message }: NodeJS.ErrnoException, host: string, port: number): string {
  if (code === 'EADDRINUSE') {
    return `PORT=${port} is in use on ${host}: end what listens there, or set another PORT (0 takes any free one)`;
  }
  if (code === 'EACCES') return `PORT=${port} on ${host} is not allowed to this user: set one above 1023`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return `HOST=${host} is no address of this machine: set 127.0.0.1, or 0.0.0.0 for all`;
  }
  return `cannot listen on HOST=${host} PORT=${port}: ${message}`;
}

/** @param underWay responses that are not out yet */
async function close(server: Server, underWay: ReadonlySet<ServerResponse>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  const timer = new AbortController();
  const answered = Promise.all([...underWay].map((response) => once(response, 'close', timer)));
  await Promise.race([answered, delay(CLOSE_TIMEOUT_MS, undefined, timer)]).catch(() => {});
  timer.abort();
  // Also those who keep their connection, or have asked nothing yet.
  server.closeAllConnections();
  await closed;
}
