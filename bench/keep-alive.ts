// HTTP over one kept connection, one request at a time, as cheap for the sender as can be: what is measured is the
// server. Answers must carry a content-length, as those of the paper exchange do.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export type Connection = {
  /** Resolves with the body of the answer, rejects when the connection ends before it. */
  readonly ask: (request: Buffer) => Promise<string>;
  readonly end: () => void;
};

type Waiting = { readonly resolve: (body: string) => void; readonly reject: (error: Error) => void };

/** Undefined while the answer is incomplete. */
function bodyOf(received: string): string | undefined {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const length = /\r\ncontent-length: (\d+)/i.exec(received.slice(0, headEnd))?.[1];
  if (length === undefined) throw new Error(`no content-length: ${received.slice(0, headEnd)}`);
  const body = received.slice(headEnd + 4);
  return body.length < Number(length) ? undefined : body;
}

export async function openConnection(url: URL): Promise<Connection> {
  const socket: Socket = connect({ host: url.hostname, port: Number(url.port), noDelay: true });
  await once(socket, 'connect');
  // One character a byte, so that lengths are those of the head.
  socket.setEncoding('latin1');
  let received = '';
  let waiting: Waiting | undefined;
  socket.on('data', (text: string) => {
    received += text;
    const body = bodyOf(received);
    if (body === undefined) return;
    received = '';
    const answered = waiting;
    waiting = undefined;
    answered?.resolve(body);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => waiting?.reject(new Error('the exchange closed the connection')));
  return {
    ask: (request) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(request);
      }),
    end: () => socket.destroy(),
  };
}

export function postRequest(url: URL, body: string): Buffer {
  return Buffer.from(
    `POST ${url.pathname} HTTP/1.1\r\nhost: ${url.host}\r\ncontent-type: application/json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export function getRequest(url: URL, path: string): Buffer {
  return Buffer.from(`GET ${path} HTTP/1.1\r\nhost: ${url.host}\r\n\r\n`);
}
