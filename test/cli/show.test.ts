// `router show` tells the whole story of an order, and first whether its end is proven.
import { afterAll, expect, test } from 'vitest';
import { storyAsJson, storyAsText } from '../../src/cli/show.ts';
import { findOrder } from '../../src/store/order-story.ts';
import { recordOutcomes } from '../../src/store/outcomes.ts';
import { bookReport } from '../../src/store/reconciling.ts';
import { recordOrders } from '../../src/store/recording.ts';
import {
  answerOf,
  fillOf,
  immediate,
  newCursor,
  newOrder,
  nextName,
  refusalOf,
  reportOf,
  type SignedOrder,
  setStatus,
  signed,
} from '../store/builders.ts';
import { createDatabase } from '../support/databases.ts';

const database = await createDatabase();
const { db } = database;
afterAll(() => database[Symbol.asyncDispose]());

async function storyOf({ intent }: Pick<SignedOrder, 'intent'>) {
  const story = await findOrder(db, intent.tenant_id, intent.client_id);
  if (story === undefined) throw new Error(`no order ${intent.client_id}`);
  return story;
}
/** The line that begins with the word, without it. */
const lineOf = (text: string, word: string) =>
  text
    .split('\n')
    .find((line) => line.startsWith(`${word} `))
    ?.slice(word.length)
    .trim();

test('an order that was never signed is told without attempts, fills and ids of the venue', async () => {
  const order = newOrder(immediate);
  await recordOrders(db, [order]);
  const text = storyAsText(await storyOf(order));
  expect(text.split('\n')[0]).toMatch(/MARKET IOC at market$/);
  expect(lineOf(text, 'proof')).toBe('not final yet');
  expect(lineOf(text, 'ids')).toBe(`row ${order.id}, venue order -, dydx client id -`);
  expect(lineOf(text, 'error')).toBeUndefined();
  expect(text).not.toMatch(/^(attempts|fills)$/m);
});

test('an order that was filled is told with its fills and its proof', async () => {
  const owner = nextName('dydx1');
  const order = await signed(db, {}, { owner });
  await recordOutcomes(db, [answerOf(order)]);
  const cursor = await newCursor(db, owner);
  const fills = [fillOf(order, { size: order.intent.size })];
  await bookReport(db, reportOf(cursor, fills, 130), 1);
  const story = await storyOf(order);
  const text = storyAsText(story);
  expect(lineOf(text, 'status')).toMatch(/^FILLED \(completely filled\), filled (\S+) of \1$/);
  expect(lineOf(text, 'proof')).toMatch(/^proven: \{.*"rule":\s*"filled"/);
  expect(text).toContain(order.attempt.tx.hash);
  expect(text).toContain(fills[0]?.id);
  expect(storyAsJson(story)).toMatchObject({
    order: { id: order.id },
    attempts: [{ tx_bytes: Buffer.from(order.attempt.tx.bytes).toString('base64') }],
    fills: [{ id: fills[0]?.id }],
    proof: { proven: true },
  });
});

test('an order that was refused is told with the code and the words of the refusal', async () => {
  const order = await signed(db);
  await recordOutcomes(db, [refusalOf(order)]);
  const story = await storyOf(order);
  const { codespace, code, log } = refusalOf(order);
  const text = storyAsText(story);
  expect(lineOf(text, 'status')).toBe(
    `REJECTED (${codespace}/${code}), filled 0 of ${order.intent.size.replace(/\.0+$/, '')}`,
  );
  expect(lineOf(text, 'error')).toBe(`${codespace}/${code} ${log} (retries: 0)`);
  expect(text).toContain(`refused ${codespace}/${code}`);
  expect(storyAsJson(story)).toMatchObject({ proof: { proven: true } });
});

test('an end that the rows do not prove is called UNPROVEN, with the reason', async () => {
  const order = await signed(db);
  await setStatus(db, order, 'FILLED');
  const story = await storyOf(order);
  expect(lineOf(storyAsText(story), 'proof')).toMatch(/^UNPROVEN: fills add up to another size than 10/);
  expect(storyAsJson(story)).toMatchObject({ proof: { proven: false, why: expect.any(String) } });
});

test('an order that is not final has no proof to show', async () => {
  const order = await signed(db);
  expect(storyAsJson(await storyOf(order))).toMatchObject({ proof: null });
});
