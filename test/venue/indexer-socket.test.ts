// The websocket as a wake-up: what is told of whom, what a lost message and a lost connection do, and how it ends. The
// other side is the paper exchange's own socket.
import { once } from 'node:events';
import { expect, onTestFinished, test, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Paper, startPaper } from '../../src/paper/paper.ts';
import { createIndexerSocket, type IndexerSocketOptions } from '../../src/venue/indexer-socket.ts';
import { ownerOf, paperPrivateKey } from '../../src/venue/keys.ts';

const OWNER = await ownerOf(paperPrivateKey());
const SUBACCOUNT = { owner: OWNER, subaccountNumber: 0 };

function listen(url: string) {
  const heard = { news: 0, blocks: 0, gaps: 0, opened: 0, lost: [] as string[] };
  const options: IndexerSocketOptions = {
    url,
    onNews: () => heard.news++,
    onBlock: () => heard.blocks++,
    onGap: () => heard.gaps++,
    onOpen: () => heard.opened++,
    onLost: ({ message }) => heard.lost.push(message),
  };
  const socket = createIndexerSocket(options);
  onTestFinished(() => socket.stop());
  return { socket, heard };
}

async function openPaper(): Promise<Paper> {
  const paper = await startPaper({ blockMs: 0 });
  onTestFinished(() => paper.close());
  return paper;
}

test('it tells of blocks, and of a subaccount when it is subscribed to', async () => {
  const paper = await openPaper();
  const { socket, heard } = listen(paper.url);
  socket.follow(SUBACCOUNT);
  socket.start();
  // The answer to a subscription may be older than the subscription.
  await vi.waitFor(() => expect(heard.news).toBe(1));
  paper.produceBlock();
  await vi.waitFor(() => expect(heard.blocks).toBe(1));
  socket.follow({ ...SUBACCOUNT, subaccountNumber: 1 });
  socket.follow(SUBACCOUNT);
  await vi.waitFor(() => expect(heard.news).toBe(2));
  expect(heard).toMatchObject({ gaps: 0, opened: 1, lost: [] });
});

test('a message that was lost is noticed at the next one, and all that is followed has news', async () => {
  const paper = await openPaper();
  const { socket, heard } = listen(paper.url);
  socket.start();
  await vi.waitFor(() => expect(heard.opened).toBe(1));
  paper.produceBlock();
  await vi.waitFor(() => expect(heard.blocks).toBe(1));
  paper.faults.add({ on: 'socket', action: 'drop_message', count: 1 });
  paper.produceBlock();
  expect(heard.gaps).toBe(0);
  paper.produceBlock();
  await vi.waitFor(() => expect(heard).toMatchObject({ gaps: 1, blocks: 2 }));
});

test('a connection that breaks is made again, and asks for the same', async () => {
  const paper = await openPaper();
  const { socket, heard } = listen(paper.url);
  socket.follow(SUBACCOUNT);
  socket.start();
  await vi.waitFor(() => expect(heard.news).toBe(1));
  paper.faults.add({ on: 'socket', action: 'close', count: 1 });
  paper.produceBlock();
  await vi.waitFor(() => expect(heard).toMatchObject({ opened: 2, news: 2 }), { timeout: 5_000 });
  expect(heard.lost).toHaveLength(1);
});

test('nobody there is tried again, and a stop ends that at once', async () => {
  const { socket, heard } = listen('http://127.0.0.1:1');
  socket.start();
  await vi.waitFor(() => expect(heard.lost.length).toBeGreaterThan(1), { timeout: 60_000 });
  expect(heard.lost[0]).toMatch(/ECONNREFUSED/);
  await socket.stop();
  const before = heard.lost.length;
  expect(heard.opened).toBe(0);
  expect(heard.lost).toHaveLength(before);
});

test.each(['nothing', '{"type":"channel_data"}', '{"message_id":-1,"type":"connected"}', '<html>'])(
  'what cannot be read ends the connection and nothing else: %s',
  async (text) => {
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1', path: '/v4/ws' });
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    let told = 0;
    server.on('connection', (client: WebSocket) => {
      // Once: the next connection is a quiet one.
      if (told++ === 0) client.send(text);
    });
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no port');
    const { socket, heard } = listen(`http://127.0.0.1:${address.port}`);
    socket.start();
    await vi.waitFor(() => expect(heard.opened).toBe(2), { timeout: 5_000 });
    expect(heard.lost).toEqual([expect.stringMatching(/^a message that cannot be read: /)]);
    await socket.stop();
    for (const client of server.clients) client.terminate();
  },
);
