// A port that stays while the server behind it goes and comes back elsewhere.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Transform } from 'node:stream';

export type TcpProxy = AsyncDisposable & {
  readonly port: number;
  /** Undefined: every connection breaks, and new ones are closed at once. */
  readonly aim: (port: number | undefined) => void;
  /** As aim, but the connections of now stay where they are, as after a change of a name in the DNS. */
  readonly aimNew: (port: number) => void;
  /** The next connection that sends this text is silenced before it arrives; resolves then. */
  readonly swallow: (text: string) => Promise<void>;
  /** How many connections there have been. */
  readonly opened: () => number;
  /** The connections of now stay open and pass nothing on any more, in either direction; new ones work. */
  readonly silence: () => void;
};

export async function startTcpProxy(): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let target: number | undefined;
  let opened = 0;
  let toSwallow: { readonly text: string; readonly done: () => void } | undefined;
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  };
  const server = createServer((outer) => {
    opened++;
    keep(outer);
    if (target === undefined) {
      outer.destroy();
      return;
    }
    const inner = connect(target, '127.0.0.1');
    keep(inner);
    const swallow = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        if (toSwallow !== undefined && chunk.includes(toSwallow.text)) {
          toSwallow.done();
          toSwallow = undefined;
          outer.unpipe().pause();
          done();
        } else {
          done(null, chunk);
        }
      },
    });
    outer.pipe(swallow).pipe(inner).pipe(outer);
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
    aimNew: (port) => {
      target = port;
    },
    swallow: (text) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      toSwallow = { text, done: resolve };
      return promise;
    },
    opened: () => opened,
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
