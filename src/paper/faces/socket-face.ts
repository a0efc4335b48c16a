// The indexer's websocket, /v4/ws: what a block changed is told to those who asked for its subaccounts, and each block's
// height. Every connection counts its messages: a number that is missing is a message that was lost.
// Source: v4-chain indexer/services/socks/src/types.ts, lib/message-forwarder.ts (facts §7.4).
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { z } from 'zod';
import type { Chain } from '../blocks/chain.ts';
import { findSubaccount } from '../state/ledger.ts';
import type { Faults } from './faults.ts';
import { showOrder } from './indexer-orders.ts';
import { showFill, type View, visibleCount } from './indexer-view.ts';

export type SocketFace = {
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
  /** Tells what the indexer shows now and did not before. */
  readonly announce: () => void;
  readonly close: () => void;
};

type SocketDeps = {
  readonly chain: Chain;
  readonly faults: Faults;
  readonly indexerHeight: () => number;
};

const SUBACCOUNTS = 'v4_subaccounts';
const BLOCKS = 'v4_block_height';
const VERSION = '3.0.0';
const MAX_SUBACCOUNTS = 256;

const requestSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('subscribe'), channel: z.string(), id: z.string().optional() }),
  z.object({ type: z.literal('unsubscribe'), channel: z.string(), id: z.string().optional() }),
  z.object({ type: z.literal('ping') }),
]);

type Followed = { readonly owner: string; readonly number: number; fillsTold: number };

type Connection = {
  readonly socket: WebSocket;
  readonly request: IncomingMessage;
  readonly followed: Map<string, Followed>;
  followsBlocks: boolean;
  messageId: number;
  readonly id: string;
};

export function createSocketFace({ chain, faults, indexerHeight }: SocketDeps): SocketFace {
  const server = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 });
  const connections = new Set<Connection>();
  let toldHeight = indexerHeight();

  const send = (connection: Connection, message: object): undefined => {
    const fault = faults.take('socket', connection.request);
    const message_id = connection.messageId++;
    if (fault?.action === 'close') connection.socket.terminate();
    if (fault === undefined)
      connection.socket.send(JSON.stringify({ ...message, connection_id: connection.id, message_id }));
  };

  const view = (): View => ({ ledger: chain.ledger, seed: chain.seed, height: indexerHeight() });

  const fillsOf = ({ owner, number }: Followed) => findSubaccount(chain.ledger, owner, number)?.fills ?? [];

  const subscribe = (connection: Connection, channel: string, id: string | undefined): undefined => {
    if (channel === BLOCKS) {
      connection.followsBlocks = true;
      const contents = { height: String(indexerHeight()), time: new Date(chain.ledger.timeMs).toISOString() };
      return send(connection, { type: 'subscribed', channel, id: BLOCKS, version: VERSION, contents });
    }
    const [owner, number] = id?.split('/') ?? [];
    const isKnown = channel === SUBACCOUNTS && owner !== undefined && /^\d+$/.test(number ?? '');
    if (!isKnown)
      return send(connection, { type: 'error', message: `Invalid channel or id: ${channel} ${id}` });
    if (connection.followed.size >= MAX_SUBACCOUNTS)
      return send(connection, {
        type: 'error',
        message: `Per-connection subscription limit reached for ${channel}`,
      });
    const followed = { owner, number: Number(number), fillsTold: 0 };
    followed.fillsTold = visibleCount(fillsOf(followed), indexerHeight());
    connection.followed.set(id ?? '', followed);
    const orders = (findSubaccount(chain.ledger, owner, Number(number))?.orders ?? []).flatMap(
      (order) => showOrder(view(), order) ?? [],
    );
    const open = orders.filter(({ status }) =>
      ['OPEN', 'UNTRIGGERED', 'BEST_EFFORT_OPENED'].includes(status),
    );
    const contents = { orders: open, blockHeight: String(indexerHeight()) };
    send(connection, { type: 'subscribed', channel, id, version: VERSION, contents });
  };

  const answer = (connection: Connection, text: string): undefined => {
    let request: z.infer<typeof requestSchema>;
    try {
      request = requestSchema.parse(JSON.parse(text));
    } catch {
      return send(connection, { type: 'error', message: 'Invalid message' });
    }
    if (request.type === 'ping') return send(connection, { type: 'pong' });
    const { channel, id } = request;
    if (request.type === 'subscribe') return subscribe(connection, channel, id);
    if (channel === BLOCKS) connection.followsBlocks = false;
    else connection.followed.delete(id ?? '');
    send(connection, { type: 'unsubscribed', channel, id });
  };

  const tellFills = (connection: Connection, id: string, followed: Followed): void => {
    const fills = fillsOf(followed);
    const count = visibleCount(fills, indexerHeight());
    if (count === followed.fillsTold) return;
    const news = fills.slice(followed.fillsTold, count);
    followed.fillsTold = count;
    const orders = [...new Set(news.map(({ order }) => order))].flatMap(
      (order) => showOrder(view(), order) ?? [],
    );
    // Fees are only told by REST.
    const shown = news.map((fill) => {
      const { fee: _, ...rest } = showFill(fill);
      return rest;
    });
    const contents = { orders, fills: shown, blockHeight: String(indexerHeight()) };
    send(connection, { type: 'channel_data', channel: SUBACCOUNTS, id, version: VERSION, contents });
  };

  return {
    upgrade: (request, socket, head) => {
      server.handleUpgrade(request, socket, head, (opened) => {
        const connection: Connection = {
          socket: opened,
          request,
          followed: new Map(),
          followsBlocks: false,
          messageId: 0,
          id: randomUUID(),
        };
        connections.add(connection);
        opened.on('error', () => {});
        opened.on('close', () => connections.delete(connection));
        opened.on('message', (data) => answer(connection, String(data)));
        send(connection, { type: 'connected' });
      });
    },
    announce: () => {
      const height = indexerHeight();
      const isNewBlock = height > toldHeight;
      toldHeight = height;
      for (const connection of connections) {
        for (const [id, followed] of connection.followed) tellFills(connection, id, followed);
        if (!isNewBlock || !connection.followsBlocks) continue;
        const time = new Date(chain.ledger.blockTimesMs.get(height) ?? chain.ledger.timeMs).toISOString();
        const contents = { blockHeight: String(height), time };
        send(connection, { type: 'channel_data', channel: BLOCKS, id: BLOCKS, version: VERSION, contents });
      }
    },
    close: () => {
      for (const { socket } of connections) socket.terminate();
      server.close();
    },
  };
}
