// The one HTTP port of the paper exchange. Closing it ends every connection, so that a client that was left hanging on
// purpose is not waited for.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Log } from '../state/journal.ts';
import { type Exchange, sendErrors } from './http-reply.ts';

export type Served = { readonly port: number; readonly close: () => Promise<void> };

function listen(server: Server, port: number, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === 'EADDRINUSE';
      const message = isTaken
        ? `port ${port} on ${host} is in use; choose another (0 = any free port)`
        : `the paper exchange cannot listen on ${host}:${port}: ${cause.message}`;
      reject(new Error(message, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : port);
    });
  });
}

type Address = { readonly port: number; readonly host: string; readonly log: Log };

type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Rejects with one readable line when the port cannot be had. */
export async function serve(
  answer: (exchange: Exchange) => Promise<void>,
  upgrade: Upgrade,
  { port, host, log }: Address,
): Promise<Served> {
  const server = createServer(
    { keepAliveTimeout: 60_000 },
    (request: IncomingMessage, response: ServerResponse) => {
      answer({ request, response }).catch((error: unknown) => {
        if (request.destroyed && !request.complete) return;
        log('error', 'paper exchange: request failed', { error: String(error), url: request.url });
        if (!response.headersSent)
          sendErrors({ request, response }, 500, 'internal error of the paper exchange');
      });
    },
  );
  server.on('upgrade', upgrade);
  const boundPort = await listen(server, port, host);
  const close = (): Promise<void> =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return { port: boundPort, close };
}
