// The face that no venue has: what really happened, and what should go wrong next.
import type { z } from 'zod';
import type { Chain } from './chain.ts';
import { type Faults, faultSchema } from './faults.ts';
import { type Exchange, sendErrors, sendJson } from './http-reply.ts';
import { tellTruth } from './truth.ts';

export type ControlDeps = {
  readonly chain: Chain;
  readonly faults: Faults;
  readonly indexerHeight: () => number;
  readonly blockMs: number;
};

/** One line a field, so that the reader sees at once what to change. */
function reasons(error: z.ZodError): { param: string; msg: string }[] {
  return error.issues.map((issue) => ({ param: issue.path.join('.') || '(body)', msg: issue.message }));
}

function addFault({ faults }: ControlDeps, exchange: Exchange, body: Buffer): undefined {
  let input: unknown;
  try {
    input = JSON.parse(body.toString('utf8'));
  } catch {
    return sendErrors(exchange, 400, 'the body is not JSON');
  }
  const parsed = faultSchema.safeParse(input);
  if (!parsed.success) return sendJson(exchange, 400, { errors: reasons(parsed.error) });
  sendJson(exchange, 201, { id: faults.add(parsed.data) });
}

export function answerControl(deps: ControlDeps, exchange: Exchange, url: URL, body: Buffer): undefined {
  const { chain, faults } = deps;
  switch (`${exchange.request.method} ${url.pathname}`) {
    case 'GET /paper/status':
      return sendJson(exchange, 200, {
        chain_id: chain.chainId,
        height: chain.ledger.height,
        indexer_height: deps.indexerHeight(),
        block_ms: deps.blockMs,
        seed: chain.seed,
      });
    case 'GET /paper/truth': {
      const owner = url.searchParams.get('owner') ?? undefined;
      return sendJson(exchange, 200, tellTruth(chain.ledger, chain.chainId, deps.indexerHeight(), owner));
    }
    case 'GET /paper/faults':
      return sendJson(exchange, 200, { faults: faults.list() });
    case 'POST /paper/faults':
      return addFault(deps, exchange, body);
    case 'DELETE /paper/faults':
      faults.clear();
      return sendJson(exchange, 200, { faults: [] });
    default:
      return sendErrors(exchange, 404, `no such route: ${exchange.request.method} ${url.pathname}`);
  }
}
