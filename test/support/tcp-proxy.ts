// A port that stays while the server behind it goes and comes back elsewhere.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export type TcpProxy = AsyncDisposable & {
  readonly port: number;
  /** Undefined: every connection breaks, and new ones are closed at once. */
  readonly aim: (port: number | undefined) => void;
  /** The connections of now stay open and pass nothing on any more, in either direction; new ones work. */
  readonly silence: () => void;
};

export async function startTcpProxy(): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let target: number | undefined;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const server = createServer((outer) => {
    keep(outer);
    if (target === undefined) {
      outer.destroy();
      return;
    }
    const inner = connect(target, '127.0.0.1');
    keep(inner);
    outer.pipe(inner).pipe(outer);
    outer.on('close', () => inner.destroy());
    inner.on('close', () => outer.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const breakAll = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    aim: (port) => {
      target = port;
      breakAll();
    },
    silence: () => {
      for (const socket of sockets) socket.unpipe().pause();
    },
    [Symbol.asyncDispose]: async () => {
      breakAll();
      server.close();
      await once(server, 'close');
    },
  };
}
