// The indexer's websocket, as a wake-up only: that something happened to a subaccount, never what. Whoever is woken asks
// REST. Messages that were lost are known by their numbers, and a connection that was away wakes all.
// Source: v4-chain indexer/services/socks/src (facts §7.4).
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { z } from 'zod';

type Subaccount = { readonly owner: string; readonly subaccountNumber: number };

export type IndexerSocketOptions = {
  /** REST base URL of the indexer, without /v4 */
  readonly url: string;
  /** Something happened to it. */
  readonly onNews: (subaccount: Subaccount) => void;
  /** A block was indexed: orders may be dead now. */
  readonly onBlock: () => void;
  /** Messages were lost, or may have been: anything may have happened to those that are followed. */
  readonly onGap: (followed: readonly Subaccount[]) => void;
  readonly onLost: (error: Error) => void;
  readonly onOpen: () => void;
};

export type IndexerSocket = {
  /** Idempotent. Beyond MAX_FOLLOWED nobody is told of them: the poll finds what happens there. */
  readonly follow: (subaccount: Subaccount) => void;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
};

/** Per connection; the venue closes one that asks for more. */
const MAX_FOLLOWED = 256;
/** A block comes every second: a connection that says nothing for so long is dead. Low: a chain halt reconnects for nothing. */
const SILENCE_MS = 20_000;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;
const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const SUBACCOUNTS = 'v4_subaccounts';
const BLOCKS = 'v4_block_height';

const MESSAGE = z.object({
  type: z.string(),
  message_id: z.int().nonnegative(),
  channel: z.string().optional(),
  id: z.string().optional(),
});

/** wss://…/v4/ws */
function socketUrlOf(restUrl: string): string {
  return `${restUrl.replace(/^http/, 'ws').replace(/\/$/, '')}/v4/ws`;
}

export function createIndexerSocket(options: IndexerSocketOptions): IndexerSocket {
  const followed = new Map<string, Subaccount>();
  const ended = new AbortController();
  let open: WebSocket | undefined;
  let running: Promise<void> | undefined;

  const subscribe = (socket: WebSocket, channel: string, id?: string) =>
    socket.send(JSON.stringify({ type: 'subscribe', channel, ...(id === undefined ? {} : { id }) }));

  /** @returns the number that the next message must have */
  const read = (text: string, expected: number): number => {
    const message = MESSAGE.parse(JSON.parse(text));
    const { type, message_id, channel, id } = message;
    if (message_id !== expected) options.onGap([...followed.values()]);
    if (channel === BLOCKS && type !== 'subscribed') options.onBlock();
    // What is in the answer to a subscription was read before it began: in between something may have happened, too.
    const subaccount = channel === SUBACCOUNTS && id !== undefined ? followed.get(id) : undefined;
    if (subaccount !== undefined && type !== 'unsubscribed') options.onNews(subaccount);
    return message_id + 1;
  };

  /** Resolves when the connection has ended, with whether it had opened. */
  const connect = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = new WebSocket(socketUrlOf(options.url), {
        maxPayload: MAX_MESSAGE_BYTES,
        handshakeTimeout: SILENCE_MS,
      });
      let expected = 0;
      let hasOpened = false;
      let failure = new Error('the connection was closed');
      let silence: NodeJS.Timeout | undefined;
      const heard = () => {
        clearTimeout(silence);
        silence = setTimeout(() => end(new Error(`nothing was said for ${SILENCE_MS} ms`)), SILENCE_MS);
      };
      const end = (error: Error) => {
        failure = error;
        socket.terminate();
      };
      const stop = () => socket.terminate();
      ended.signal.addEventListener('abort', stop, { once: true });
      socket.on('open', () => {
        hasOpened = true;
        open = socket;
        heard();
        options.onOpen();
        subscribe(socket, BLOCKS);
        for (const id of followed.keys()) subscribe(socket, SUBACCOUNTS, id);
      });
      socket.on('ping', heard);
      socket.on('message', (data) => {
        heard();
        try {
          expected = read(String(data), expected);
        } catch (error) {
          end(new Error(`a message that cannot be read: ${String(data).slice(0, 80)}`, { cause: error }));
        }
      });
      socket.on('error', (error) => {
        failure = error;
      });
      socket.on('close', () => {
        clearTimeout(silence);
        ended.signal.removeEventListener('abort', stop);
        open = undefined;
        if (!ended.signal.aborted) options.onLost(failure);
        resolve(hasOpened);
      });
      // Stopped while it was made.
      if (ended.signal.aborted) stop();
    });

  const run = async (): Promise<void> => {
    let retryMs = FIRST_RETRY_MS;
    while (!ended.signal.aborted) {
      const hasOpened = await connect();
      retryMs = hasOpened ? FIRST_RETRY_MS : Math.min(MAX_RETRY_MS, retryMs * 2);
      // Full jitter: after an outage not all come back at once.
      await delay(retryMs * Math.random(), undefined, { signal: ended.signal }).catch(() => {});
    }
  };

  return {
    follow: (subaccount) => {
      const id = `${subaccount.owner}/${subaccount.subaccountNumber}`;
      if (followed.has(id) || followed.size >= MAX_FOLLOWED) return;
      followed.set(id, subaccount);
      if (open?.readyState === WebSocket.OPEN) subscribe(open, SUBACCOUNTS, id);
    },
    start: () => {
      running ??= run();
    },
    stop: async () => {
      ended.abort();
      await running;
    },
  };
}
