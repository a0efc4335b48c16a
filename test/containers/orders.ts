// Intents go in and orders come out through the `router` command inside the containers, as an operator would do it.
import { isFinal, type OrderStatus } from '../../src/core/status.ts';
import { until } from './shell.ts';
import type { Stack } from './stack.ts';
import { count } from './step.ts';

const FINAL_TIMEOUT_MS = 120_000;

export type Order = { readonly clientId: string; readonly status: OrderStatus };

function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
}

/** @returns the outcome of every intent; the examples hold some that must be refused: exit code 2 */
export async function submitExamples({ run, compose, env }: Stack): Promise<readonly unknown[]> {
  const command = ['router', 'submit', 'examples/intents.jsonl', '--json'];
  const { stdout } = await run(compose('exec', '-T', 'reconciler', ...command), { env, codes: [2] });
  const outcomes = jsonLines(stdout).map(({ outcome }) => outcome);
  if (!outcomes.includes('recorded') || !outcomes.includes('invalid')) {
    throw new Error(`outcomes of the examples: ${count(outcomes)}`);
  }
  return outcomes;
}

async function listOrders({ run, compose, env }: Stack): Promise<readonly Order[]> {
  const command = ['router', 'orders', '--limit', '1000', '--json'];
  const { stdout } = await run(compose('exec', '-T', 'reconciler', ...command), { env });
  return jsonLines(stdout).map(({ client_id, status }) => ({
    clientId: String(client_id),
    status: status as OrderStatus,
  }));
}

export function untilFinal(stack: Stack, expected: number): Promise<readonly Order[]> {
  let seen: readonly Order[] = [];
  return until(
    async () => {
      seen = await listOrders(stack);
      return seen.length === expected && seen.every(({ status }) => isFinal(status)) ? seen : undefined;
    },
    () => `${expected} orders expected, ${count(seen.map(({ status }) => status))}`,
    { timeoutMs: FINAL_TIMEOUT_MS, everyMs: 1_000, signal: stack.signal },
  );
}

/** @returns which order it was */
export async function proveOneFill({ run, compose, env }: Stack, orders: readonly Order[]): Promise<string> {
  const filled = orders.find(({ status }) => status === 'FILLED');
  if (filled === undefined) throw new Error('no order was filled');
  const command = ['router', 'show', filled.clientId, '--json'];
  const { stdout } = await run(compose('exec', '-T', 'reconciler', ...command), { env });
  const story: { proof?: { proven?: boolean } | null } = JSON.parse(stdout);
  if (story.proof?.proven !== true) throw new Error(`${filled.clientId} is not proven:\n${stdout}`);
  return filled.clientId;
}
