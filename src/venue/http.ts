// One bounded HTTP connection pool per origin, with a deadline on every request. Never throws: a failure says
// whether the request was handed to a socket, which is the only honest test of "no byte can have arrived".
// Nothing is retried and no redirect is followed here: the caller decides.
import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, Pool } from 'undici';

export type HttpOutcome =
  | {
      readonly kind: 'answer';
      readonly status: number;
      readonly headers: IncomingHttpHeaders;
      readonly body: string;
    }
  /** isSent false = proof that no byte of the request left; true = it may have arrived whole */
  | { readonly kind: 'failed'; readonly isSent: boolean; readonly reason: string };

export type HttpClient = {
  /** path is appended to the path of the base URL */
  readonly get: (path: string) => Promise<HttpOutcome>;
  /** @param mayLeave asked when a socket is free: false drops the request unsent */
  readonly postJson: (body: string, mayLeave?: () => boolean) => Promise<HttpOutcome>;
  /** Idempotent. Requests under way still end, by their deadline at the latest. */
  readonly close: () => Promise<void>;
};

export type HttpOptions = {
  /** http or https; a path in it is kept, a query for postJson only */
  readonly url: string;
  /**
   * From the call to the last byte of the answer, waiting for a free connection included.
   * Too low: good answers are given up and become doubt. Too high: a hung node holds its caller.
   */
  readonly timeoutMs: number;
  /**
   * Open sockets at most; one request at a time on each, so at least rate × latency (3,000/s × 50 ms = 150).
   * Too low: requests wait for a socket until their deadline. Too high: the node's or gateway's limit.
   */
  readonly connections: number;
  /** A longer answer is cut off and counts as no answer. */
  readonly maxResponseBytes: number;
};

/** Below the 10 s after which CometBFT closes an idle connection: the side that closes first loses no request. */
const KEEP_ALIVE_MS = 8_000;
/** A connection that takes longer than this is not worth waiting for; the deadline still comes first. */
const MAX_CONNECT_MS = 3_000;

/** Thrown into undici when a request reaches its turn too late: it is dropped, the socket is kept. */
class TooLate extends Error {}

export function createHttp({ url, timeoutMs, connections, maxResponseBytes }: HttpOptions): HttpClient {
  const base = new URL(url);
  const basePath = base.pathname.replace(/\/+$/, '');
  const pool = new Pool(base.origin, {
    connections,
    pipelining: 1,
    // HTTP/2 would put all requests on one connection and make `connections` mean nothing.
    allowH2: false,
    connect: { timeout: Math.min(timeoutMs, MAX_CONNECT_MS) },
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxResponseSize: maxResponseBytes,
  });
  let closing: Promise<void> | undefined;

  function send(options: Dispatcher.DispatchOptions, mayLeave = () => true): Promise<HttpOutcome> {
    return new Promise((resolve) => {
      let started: Dispatcher.DispatchController | undefined;
      let isSettled = false;
      let status = 0;
      let headers: IncomingHttpHeaders = {};
      const chunks: Buffer[] = [];

      const settle = (outcome: HttpOutcome) => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(timer);
        resolve(outcome);
      };
      const fail = (reason: string) => settle({ kind: 'failed', isSent: started !== undefined, reason });
      const timer = setTimeout(() => {
        fail(started ? `no answer within ${timeoutMs} ms` : `no connection within ${timeoutMs} ms`);
        // Destroys the socket, so that a hung node cannot collect them.
        started?.abort(new TooLate());
      }, timeoutMs);

      pool.dispatch(options, {
        // undici calls this before it writes the first byte; throwing here drops the request unwritten.
        onRequestStart(controller) {
          if (!isSettled && !mayLeave()) fail('too late to be sent');
          if (isSettled) throw new TooLate();
          started = controller;
        },
        onResponseStart(_controller, statusCode, responseHeaders) {
          status = statusCode;
          headers = responseHeaders;
        },
        onResponseData(_controller, chunk) {
          chunks.push(chunk);
        },
        onResponseEnd() {
          settle({ kind: 'answer', status, headers, body: Buffer.concat(chunks).toString('utf8') });
        },
        onResponseError(_controller, error) {
          fail(describe(error));
        },
      });
    });
  }

  return {
    get: (path) => send({ method: 'GET', path: basePath + path, headers: { accept: 'application/json' } }),
    postJson: (body, mayLeave) => {
      const path = `${basePath || '/'}${base.search}`;
      return send({ method: 'POST', path, headers: { 'content-type': 'application/json' }, body }, mayLeave);
    },
    close: () => {
      closing ??= pool.close();
      return closing;
    },
  };
}

/** "ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:1", at most 200 characters. */
function describe(error: Error): string {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  const text = error.message === '' ? code : `${code}: ${error.message}`;
  return text.slice(0, 200);
}
