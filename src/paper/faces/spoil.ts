// An answer gone wrong on purpose: what an injected fault makes of the HTTP reply of a node or of the indexer.
import {
  answerLater,
  dropConnection,
  type Exchange,
  sendEmpty,
  sendForbidden,
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
  | 'delay_answer'
  | 'http_403'
  | 'http_502'
  | 'http_429'
  | 'html'
  | 'truncate'
  | 'empty'
  | 'oversize';

type Params = { readonly ms?: number | undefined; readonly retry_after_ms?: number | undefined };
/** What would have been sent. */
type Unspoilt = { readonly status: number; readonly body: unknown };

/** retryAfterMs: of a 429, unless the fault says otherwise. */
export function spoil(
  exchange: Exchange,
  action: Spoiling,
  answer: Unspoilt,
  params: Params = {},
  retryAfterMs = 1000,
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
    case 'delay_answer':
      return answerLater(exchange, params.ms ?? 0, answer.status, answer.body);
    case 'http_403':
      return sendForbidden(exchange);
    case 'http_502':
      return sendHtml(exchange, 502);
    case 'http_429':
      return sendTooManyRequests(exchange, params.retry_after_ms ?? retryAfterMs);
    case 'html':
      return sendHtml(exchange, 200);
    case 'truncate':
      return sendHalf(exchange, answer.body);
    case 'empty':
      return sendEmpty(exchange);
    case 'oversize':
      return sendOversize(exchange);
  }
}
