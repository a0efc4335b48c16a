// A port for a server that a test starts on the loopback address.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Below the ports that systems hand out by themselves (Linux from 32768, others higher): while a server is away that a
 * test has stopped, no connection and no other server is given its port by chance.
 */
const FIRST_PORT = 20_000;
const END_PORT = 32_768;
const TRIES = 100;

/** Free a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries++) {
    const port = randomInt(FIRST_PORT, END_PORT);
    try {
      const server = createServer().listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      return port;
    } catch (error) {
      if (tries === TRIES) throw error;
    }
  }
}
