// A real HTTP server on 127.0.0.1 that answers each request by a script: status, half a body, reset, silence.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';

type Exchange = { readonly req: IncomingMessage; readonly res: ServerResponse; readonly body: string };
export type Script = (exchange: Exchange) => void;

export type ScriptedServer = {
  readonly url: string;
  /** bodies of the requests that arrived whole, in order */
  readonly bodies: string[];
  /** method and path of each */
  readonly paths: string[];
  answer: Script;
  readonly close: () => Promise<void>;
};

export async function startServer(script: Script = silent): Promise<ScriptedServer> {
  const state = { bodies: [] as string[], paths: [] as string[], answer: script };
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    state.bodies.push(body);
    state.paths.push(`${req.method} ${req.url}`);
    state.answer({ req, res, body });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return Object.assign(state, {
    url: `http://127.0.0.1:${port}`,
    close: () => {
      server.closeAllConnections();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  });
}

/** Accepts connections and says nothing at all, so that a TLS handshake never ends. */
export async function startMuteTcpServer(): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createTcpServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

export function silent(): void {}

export function json(value: unknown, status = 200, headers: Record<string, string> = {}): Script {
  return ({ res }) => {
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
}

export function text(body: string, status = 200): Script {
  return ({ res }) => {
    res.writeHead(status, { 'content-type': 'text/html' }).end(body);
  };
}
