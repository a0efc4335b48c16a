// An answer gone wrong on purpose: what an injected fault makes of the HTTP reply of a node or of the indexer.
import {
  dropConnection,
  type Exchange,
  sendEmpty,
  sendHalf,
  sendHtml,
  sendOversize,
  sendTooManyRequests,
} from './http-reply.ts';

export type Spoiling =
  | 'drop'
  | 'drop_before'
  | 'drop_after'
  | 'hang'
  | 'hang_before'
  | 'hang_after'
  | 'http_502'
  | 'http_429'
  | 'html'
  | 'truncate'
  | 'empty'
  | 'oversize';

/** answer: what would have been sent. */
export function spoil(
  exchange: Exchange,
  action: Spoiling,
  answer: unknown,
  retryAfterMs: number,
): undefined {
  switch (action) {
    case 'drop':
    case 'drop_before':
    case 'drop_after':
      return dropConnection(exchange);
    case 'hang':
    case 'hang_before':
    case 'hang_after':
      return;
    case 'http_502':
      return sendHtml(exchange, 502);
    case 'http_429':
      return sendTooManyRequests(exchange, retryAfterMs);
    case 'html':
      return sendHtml(exchange, 200);
    case 'truncate':
      return sendHalf(exchange, answer);
    case 'empty':
      return sendEmpty(exchange);
    case 'oversize':
      return sendOversize(exchange);
  }
}
