// HTTP in the small: a bounded body, an answer, and the ways in which an answer can go wrong on purpose. A client
// that hangs is held until it leaves or the server closes all connections.
import type { IncomingMessage, ServerResponse } from 'node:http';

const MAX_BODY_BYTES = 1024 * 1024;
const EMPTY = Buffer.alloc(0);
const OVERSIZE_BYTES = 10_000_000;
const HTML = '<html><head><title>Gateway</title></head><body><h1>Something went wrong</h1></body></html>';

export type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };

/** Undefined when it is larger than 1 MiB; rejects when the client goes away half-way. */
export function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    let body: Buffer = EMPTY;
    let more: Buffer[] | undefined;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BODY_BYTES) more = undefined;
      else if (size === chunk.length) body = chunk;
      else if (more) more.push(chunk);
      else more = [body, chunk];
    });
    request.on('end', () => {
      if (size > MAX_BODY_BYTES) resolve(undefined);
      else resolve(more ? Buffer.concat(more) : body);
    });
    request.on('error', reject);
    // Comes after every request; an error is made only for one that is not complete (8 µs each).
    request.on('close', () => {
      if (!request.complete) reject(new Error('the client went away'));
    });
  });
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string,
  headers: Record<string, string>,
): undefined {
  response.writeHead(status, { ...headers, 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

export function sendJson(
  { response }: Exchange,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): undefined {
  send(response, status, 'application/json', JSON.stringify(body), headers);
}

/** As the indexer words its errors. */
export function sendErrors(
  exchange: Exchange,
  status: number,
  msg: string,
  detail: Record<string, unknown> = {},
): undefined {
  sendJson(exchange, status, { errors: [{ msg, ...detail }] });
}

export function sendHtml({ response }: Exchange, status: number): undefined {
  send(response, status, 'text/html', HTML, {});
}

/** Retry-After is in milliseconds, as the venue's indexer has it. */
export function sendTooManyRequests(exchange: Exchange, retryAfterMs: number): undefined {
  const headers = { 'retry-after': String(retryAfterMs) };
  sendJson(exchange, 429, { errors: [{ msg: 'Too many requests' }] }, headers);
}

/** As a compliance check at the venue's door words it. */
export function sendForbidden(exchange: Exchange): undefined {
  sendErrors(
    exchange,
    403,
    'Because you appear to be a resident of, or trading from, a blocked jurisdiction',
  );
}

/** Everything is done; only the answer takes its time. Nothing is left behind when the client does not wait for it. */
export function answerLater(exchange: Exchange, delayMs: number, status: number, body: unknown): undefined {
  const timer = setTimeout(() => sendJson(exchange, status, body), delayMs);
  exchange.response.once('close', () => clearTimeout(timer));
}

export function sendEmpty({ response }: Exchange): undefined {
  send(response, 200, 'application/json', '', {});
}

/** Promises the whole body, delivers half, closes. */
export function sendHalf({ request, response }: Exchange, body: unknown): undefined {
  const bytes = Buffer.from(JSON.stringify(body));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes.length });
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => request.socket.destroy());
}

/** A body of 10 MB that is valid JSON. */
export function sendOversize({ response }: Exchange): undefined {
  send(response, 200, 'application/json', `{"jsonrpc":"2.0","log":"${'x'.repeat(OVERSIZE_BYTES)}"}`, {});
}

export function dropConnection({ request }: Exchange): undefined {
  request.socket.destroy();
}
