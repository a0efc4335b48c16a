// The face that no venue has, under /paper: what really happened, what should go wrong next, and the levers of
// controls.ts over HTTP.
import { z } from 'zod';
import type { Chain } from '../blocks/chain.ts';
import type { Truth } from '../truth.ts';
import {
  authenticatorSchema,
  balanceSchema,
  ControlError,
  type Controls,
  marketChangeSchema,
  nodeSettingsSchema,
} from './controls.ts';
import { faultSchema, faultScriptSchema } from './fault-schema.ts';
import type { Faults } from './faults.ts';
import { type Exchange, sendErrors, sendJson } from './http-reply.ts';
import type { RequestCounts } from './request-counts.ts';

export type ControlDeps = {
  readonly chain: Chain;
  readonly controls: Controls;
  readonly faults: Faults;
  readonly requests: RequestCounts;
  readonly truth: (owner?: string) => Truth;
  readonly indexerHeight: () => number;
  readonly blockMs: number;
};

type Answer = { readonly status: number; readonly body: unknown };
type Request = { readonly url: URL; readonly body: Buffer; readonly node: number };
type Route = (deps: ControlDeps, request: Request) => Answer;

function ok(body: unknown, status = 200): Answer {
  return { status, body };
}

/** One line a field, so that the reader sees at once what to change. */
function reasons(error: z.ZodError): { param: string; msg: string }[] {
  return error.issues.map((issue) => ({ param: issue.path.join('.') || '(body)', msg: issue.message }));
}

function readJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new ControlError('the body is not JSON', { cause: error });
  }
}

/** Throws for a body that is not JSON, or not what the schema wants. */
function read<T>(schema: z.ZodType<T>, body: Buffer): T {
  return schema.parse(readJson(body));
}

const ROUTES: Readonly<Record<string, Route>> = {
  'GET /paper/status': ({ chain, indexerHeight, blockMs }) =>
    ok({
      chain_id: chain.chainId,
      height: chain.ledger.height,
      indexer_height: indexerHeight(),
      block_ms: blockMs,
      seed: chain.seed,
    }),
  'GET /paper/truth': ({ truth }, { url }) => ok(truth(url.searchParams.get('owner') ?? undefined)),
  'GET /paper/faults': ({ faults }) => ok({ faults: faults.list() }),
  'POST /paper/faults': ({ faults }, { body }) => {
    const input = readJson(body);
    if (!Array.isArray(input)) return ok({ id: faults.add(faultSchema.parse(input)) }, 201);
    return ok({ ids: faultScriptSchema.parse(input).map(faults.add) }, 201);
  },
  'DELETE /paper/faults': ({ faults }) => {
    faults.clear();
    return ok({ faults: [] });
  },
  'GET /paper/requests': ({ requests }) => ok(requests.list()),
  'GET /paper/nodes': ({ controls }) => ok({ nodes: controls.nodes() }),
  'POST /paper/nodes/:node': ({ controls }, { body, node }) =>
    ok(controls.setNode(node, read(nodeSettingsSchema, body))),
  'POST /paper/markets': ({ controls }, { body }) => {
    controls.setMarket(read(marketChangeSchema, body));
    return ok({});
  },
  'POST /paper/balances': ({ controls }, { body }) => {
    controls.setBalance(read(balanceSchema, body));
    return ok({});
  },
  'POST /paper/authenticators': ({ controls }, { body }) =>
    ok(controls.addAuthenticator(read(authenticatorSchema, body)), 201),
};

export function answerControl(deps: ControlDeps, exchange: Exchange, url: URL, body: Buffer): undefined {
  const node = /^\/paper\/nodes\/(\d+)$/.exec(url.pathname)?.[1];
  const path = node === undefined ? url.pathname : '/paper/nodes/:node';
  const name = `${exchange.request.method} ${path}`;
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (!route) return sendErrors(exchange, 404, `no such route: ${exchange.request.method} ${url.pathname}`);
  try {
    const answer = route(deps, { url, body, node: Number(node) });
    sendJson(exchange, answer.status, answer.body);
  } catch (error) {
    if (error instanceof z.ZodError) return sendJson(exchange, 400, { errors: reasons(error) });
    if (error instanceof ControlError) return sendErrors(exchange, 400, error.message);
    throw error;
  }
}
