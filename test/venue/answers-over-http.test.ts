// Every answer as it comes over HTTP from the paper exchange, through the validator's adapter to its meaning: one test per row
// of the answers table, then RPC errors and broken transports.
import { afterAll, describe, expect, test } from 'vitest';
import { judge } from '../../src/core/answers.ts';
import { startPaper } from '../../src/paper/paper.ts';
import { paperPrivateKey } from '../../src/venue/keys.ts';
import { createSigner } from '../../src/venue/signer.ts';
import { createValidator } from '../../src/venue/validator.ts';
import { ANSWER_TABLE } from '../core/answer-table.ts';

const paper = await startPaper({ blockMs: 0 });
const validator = createValidator({
  url: paper.url,
  chainId: paper.chainId,
  timeoutMs: 2_000,
  connections: 4,
});
const signer = await createSigner({
  privateKey: paperPrivateKey(),
  chainId: paper.chainId,
  accountNumber: await validator.accountNumber(
    (await createSigner({ privateKey: paperPrivateKey(), chainId: paper.chainId, accountNumber: 0 })).owner,
  ),
});
afterAll(async () => {
  await validator.close();
  await paper.close();
});

let clientId = 0;

/** A new order each time: bytes that were seen before are answered from the cache. */
async function broadcastUnder(fault: Parameters<typeof paper.faults.add>[0] | undefined) {
  clientId += 1;
  const id = { owner: signer.owner, subaccountNumber: 0, clientId, clobPairId: 0, orderFlags: 0 };
  const { bytes } = await signer.sign({
    id,
    side: 'BUY',
    quantums: 1_000_000n,
    subticks: 5_000_000_000n,
    timeInForce: 'GTT',
    reduceOnly: false,
    clientMetadata: 0,
    goodTilBlock: paper.height() + 10,
  });
  paper.faults.clear();
  if (fault !== undefined) paper.faults.add(fault);
  return { bytes, answer: await validator.broadcast(bytes) };
}

describe('a code of CheckTx', () => {
  for (const [codespace, codes, name, meaning] of ANSWER_TABLE) {
    test(`${codespace}/${codes.join(', ')}: ${name} is ${meaning.first}, on a repeat ${meaning.repeat}`, async () => {
      for (const code of codes) {
        const params = { codespace, code, log: 'why' };
        const { answer } = await broadcastUnder({ on: 'broadcast', action: 'reject', params });
        const { first, repeat, isRejection } = meaning;
        expect(judge(answer, 1)).toEqual({ outcome: first, isRejection, codespace, code, log: 'why' });
        expect(judge(answer, 2)).toEqual({
          outcome: repeat,
          isRejection: false,
          codespace,
          code,
          log: 'why',
        });
      }
    });
  }

  test('0 is accepted', async () => {
    const { answer } = await broadcastUnder(undefined);
    expect(judge(answer, 1)).toMatchObject({ outcome: 'accepted', isRejection: false, code: 0 });
  });
});

test('bytes that the node has seen are known, and prove nothing', async () => {
  const { bytes } = await broadcastUnder(undefined);
  const again = await validator.broadcast(bytes);
  expect(again).toMatchObject({ kind: 'rpc_error', message: 'tx already exists in cache' });
  expect(judge(again, 2)).toMatchObject({ outcome: 'known', isRejection: false, codespace: 'rpc' });
});

describe('a transport that breaks is doubt', () => {
  const actions = [
    'drop_before',
    'drop_after',
    'hang_before',
    'hang_after',
    'http_502',
    'http_429',
    'html',
    'truncate',
    'empty',
    'oversize',
    'unknown_outcome',
  ] as const;
  for (const action of actions) {
    test(action, async () => {
      const { answer } = await broadcastUnder({ on: 'broadcast', action });
      expect(judge(answer, 1)).toMatchObject({ outcome: 'doubt', isRejection: false });
    });
  }

  test('a port where nobody listens: and no byte has left', async () => {
    const nobody = createValidator({
      url: 'http://127.0.0.1:9',
      chainId: paper.chainId,
      timeoutMs: 500,
      connections: 1,
    });
    const answer = await nobody.broadcast(new Uint8Array([1]));
    await nobody.close();
    expect(answer.kind).toBe('not_sent');
    expect(judge(answer, 1)).toMatchObject({ outcome: 'doubt', isRejection: false });
  });
});
