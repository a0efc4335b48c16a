// The exchange's blocks, by questions that are not counted as requests of the router.
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

const LOOK_MS = 25;

const statusSchema = z.object({ height: z.number() });
const blockSchema = z.object({
  result: z.object({ block: z.object({ header: z.object({ time: z.string() }) }) }),
});

export async function heightOf(exchangeUrl: string): Promise<number> {
  const response = await fetch(`${exchangeUrl}/paper/status`);
  return statusSchema.parse(await response.json()).height;
}

export async function untilHeight(exchangeUrl: string, height: number, signal: AbortSignal): Promise<void> {
  while ((await heightOf(exchangeUrl)) < height) await delay(LOOK_MS, undefined, { signal });
}

/** It must be there. */
export async function timeOfBlock(exchangeUrl: string, height: number): Promise<Date> {
  const response = await fetch(exchangeUrl, {
    method: 'POST',
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'block', params: { height: String(height) } }),
  });
  return new Date(blockSchema.parse(await response.json()).result.block.header.time);
}
