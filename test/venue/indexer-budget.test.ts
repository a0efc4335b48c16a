// What the indexer's headers say about the requests that are left.
import { once } from 'node:events';
import { createServer, type OutgoingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { readIndexerBudget } from '../../src/venue/indexer-budget.ts';

test.each([
  [
    { 'RateLimit-Remaining': '97', 'RateLimit-Limit': '100' },
    { remaining: 97, limit: 100 },
  ],
  [{ 'RateLimit-Remaining': '0' }, { remaining: 0, limit: undefined }],
  [{ 'RateLimit-Remaining': 'many' }, undefined],
  [{}, undefined],
] as const)('%j', async (headers: OutgoingHttpHeaders, budget) => {
  const server = createServer((_request, response) => response.writeHead(200, headers).end('{}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  expect(await readIndexerBudget(url, 2_000)).toEqual(budget);
});

test('an indexer that is not there is an error', async () => {
  await expect(readIndexerBudget('http://127.0.0.1:1', 2_000)).rejects.toThrow('ECONNREFUSED');
});
