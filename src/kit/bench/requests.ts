// What the paper exchange was asked, by its own count: the round trips of whoever trades there.

export type Requests = Readonly<Record<string, number>>;

const BROADCASTS = ['broadcast_tx_sync', 'broadcast_tx_async'];

/** By RPC method, and by path of the indexer, since its start. */
export async function countRequests(exchangeUrl: string): Promise<Requests> {
  const response = await fetch(`${exchangeUrl}/paper/requests`);
  if (!response.ok) throw new Error(`the exchange does not count: HTTP ${response.status}`);
  return (await response.json()) as Requests;
}

export function broadcastsOf(requests: Requests): number {
  return BROADCASTS.reduce((sum, method) => sum + (requests[method] ?? 0), 0);
}

export async function countOrders(exchangeUrl: string): Promise<number> {
  return broadcastsOf(await countRequests(exchangeUrl));
}
