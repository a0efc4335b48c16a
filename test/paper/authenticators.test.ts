// Permissioned keys: a key signs for another account within what the account's authenticators allow. The number signed
// over is the owner's.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import type { Paper } from '../../src/paper/paper.ts';
import { paperAccountNumber } from '../../src/paper/wire/accounts.ts';
import { postJson } from './ask.ts';
import { createTrader, LONG_TERM, LOW, startTestPaper, type Trader } from './trader.ts';

type Part = { readonly type: string; readonly config: string };

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The key that createTrader makes of the name. */
async function publicKeyOf(name: string): Promise<string> {
  const key = createHash('sha256').update(name).digest('hex');
  const { pubKey } = await dydx.LocalWallet.fromPrivateKey(key, 'dydx');
  return pubKey?.value ?? expect.fail('no key');
}

const KEY = await publicKeyOf('hired');
const signature: Part = { type: 'SignatureVerification', config: KEY };
const otherKey: Part = { type: 'SignatureVerification', config: await publicKeyOf('somebody else') };
const places: Part = { type: 'MessageFilter', config: base64(dydx.TYPE_URL_MSG_PLACE_ORDER) };
const placesAndCancels: Part = {
  type: 'MessageFilter',
  config: base64(`${dydx.TYPE_URL_MSG_PLACE_ORDER},${dydx.TYPE_URL_MSG_CANCEL_ORDER}`),
};
const cancels: Part = { type: 'MessageFilter', config: base64(dydx.TYPE_URL_MSG_CANCEL_ORDER) };
const pairs = (list: string): Part => ({ type: 'ClobPairIdFilter', config: base64(list) });
const subaccounts = (list: string): Part => ({ type: 'SubaccountFilter', config: base64(list) });
const all = (...parts: Part[]): Part => ({ type: 'AllOf', config: base64(JSON.stringify(parts)) });
const any = (...parts: Part[]): Part => ({ type: 'AnyOf', config: base64(JSON.stringify(parts)) });

type Row = readonly [name: string, authenticator: Part, code: number, log?: RegExp];

/** What the hired key gets for a placement in pair 0 by subaccount 0. */
const PLACEMENTS: readonly Row[] = [
  ['the key alone', signature, 0],
  ['another key', otherKey, 100],
  ['key and message', all(signature, places), 0],
  ['key and one of several messages', all(signature, placesAndCancels), 0],
  ['key and another message', all(signature, cancels), 104, /message types do not match/],
  ['key and pair', all(signature, pairs('1,0')), 0],
  ['key and another pair', all(signature, pairs('1,2')), 104, /order id 0 not in whitelist/],
  ['key and subaccount', all(signature, subaccounts('0')), 0],
  ['key and another subaccount', all(signature, subaccounts('1,2')), 104, /subaccount number 0/],
  ['another key in all', all(otherKey, places), 104, /signature verification failed/],
  ['one of two keys', any(otherKey, signature), 0],
  ['none of two keys', any(otherKey, otherKey), 105, /signature verification failed/],
  ['one of two messages in all', all(signature, any(all(signature, cancels), all(signature, places))), 0],
];

async function hire(
  paper: Paper,
  authenticator: Part,
): Promise<{ owner: Trader; hired: Trader; id: number }> {
  const owner = await createTrader(paper, 'owner');
  const hired = await createTrader(paper, 'hired', owner.owner);
  const { id } = paper.addAuthenticator({ owner: owner.owner, ...authenticator });
  return { owner, hired, id };
}

const TABLE = PLACEMENTS.map(([name, authenticator, code, log = /(?:)/]) => ({
  name,
  authenticator,
  code,
  log,
}));

test.each(TABLE)('$name is answered with $code', async ({ authenticator, code, log }) => {
  await using paper = await startTestPaper();
  const { hired, id } = await hire(paper, authenticator);
  const answer = await hired.place({ authenticators: [id] });
  expect(answer.code, answer.log).toBe(code);
  if (code !== 0) expect(answer.codespace).toBe('accountplus');
  expect(answer.log).toMatch(log);
});

test('a filter of pairs or subaccounts lets every foreign message pass, only a message filter stops it', async () => {
  await using paper = await startTestPaper();
  const { owner, hired, id } = await hire(paper, all(signature, pairs('5'), subaccounts('7')));
  const steal = [
    {
      typeUrl: dydx.TYPE_URL_MSG_ADD_AUTHENTICATOR,
      value: { sender: owner.owner, authenticatorType: signature.type, data: Buffer.from(KEY, 'base64') },
    },
  ];
  expect((await hired.sendStateful(steal, { authenticators: [id] })).code).toBe(0);
  const safe = paper.addAuthenticator({ owner: owner.owner, ...all(signature, pairs('5'), places) });
  const refused = await hired.sendStateful(steal, { authenticators: [safe.id] });
  expect(refused).toMatchObject({ codespace: 'accountplus', code: 104 });
});

test('each message selects one authenticator, and one that is registered', async () => {
  await using paper = await startTestPaper();
  const { hired, id } = await hire(paper, signature);
  expect(await hired.place({ authenticators: [id, id] })).toMatchObject({ codespace: 'sdk', code: 18 });
  expect(await hired.place({ authenticators: [id + 1] })).toMatchObject({
    codespace: 'accountplus',
    code: 1,
  });
  // Without any the account's own key is asked for.
  expect(await hired.place({})).toMatchObject({ codespace: 'sdk', code: 4 });
});

test('the account number signed over is the owner’s', async () => {
  await using paper = await startTestPaper();
  const { hired, id } = await hire(paper, signature);
  const message = [hired.placement({ clientId: 1 })];
  const accountNumber = paperAccountNumber(hired.wallet.address ?? '');
  const wrong = await hired.send(message, { authenticators: [id], accountNumber });
  expect(wrong).toMatchObject({ codespace: 'accountplus', code: 100 });
  expect(await hired.send(message, { authenticators: [id] })).toMatchObject({ code: 0 });
});

test('a permissioned key places and cancels stateful orders with the owner’s nonces', async () => {
  await using paper = await startTestPaper();
  const { owner, hired, id } = await hire(paper, all(signature, placesAndCancels));
  const draft = { flags: LONG_TERM, subticks: LOW, clientId: 1, authenticators: [id] };
  expect((await hired.place(draft)).code).toBe(0);
  paper.produceBlock();
  expect(await owner.accountSequence()).toBe(1);
  expect((await hired.cancelStateful(1, { authenticators: [id] })).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().orders).toMatchObject([{ owner: owner.owner, live: false, removal: 'USER_CANCELED' }]);
});

test('the owner registers and removes authenticators by transactions', async () => {
  await using paper = await startTestPaper();
  const owner = await createTrader(paper, 'owner');
  const hired = await createTrader(paper, 'hired', owner.owner);
  const add = {
    typeUrl: dydx.TYPE_URL_MSG_ADD_AUTHENTICATOR,
    value: { sender: owner.owner, authenticatorType: signature.type, data: Buffer.from(KEY, 'base64') },
  };
  expect((await owner.sendStateful([add])).code).toBe(0);
  expect((await hired.place({ authenticators: [0] })).code).toBe(1);
  paper.produceBlock();
  expect((await hired.place({ authenticators: [0] })).code).toBe(0);
  const remove = { typeUrl: dydx.TYPE_URL_MSG_REMOVE_AUTHENTICATOR, value: { sender: owner.owner, id: 0 } };
  expect((await owner.sendStateful([remove])).code).toBe(0);
  // Accepted before the key was dismissed, included after it: the block refuses it.
  const late = await hired.place({ flags: LONG_TERM, authenticators: [0], sequence: 2 });
  expect(late.code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().transactions.at(-1)).toMatchObject({
    hash: late.hash,
    code: 1,
    codespace: 'accountplus',
  });
  expect((await hired.place({ authenticators: [0] })).code).toBe(1);
  expect(paper.truth().transactions.map(({ kinds }) => kinds)).toEqual([['other'], ['other'], ['place']]);
});

const UNSAFE: readonly [name: string, type: string, config: string, log: RegExp][] = [
  ['no way through it verifies a signature', places.type, places.config, /unsafe/],
  ['one way through it verifies none', 'AnyOf', any(signature, places).config, /unsafe/],
  ['a key of a wrong size', 'SignatureVerification', base64('short'), /public key size/],
  ['a single part', 'AllOf', all(signature).config, /OnAuthenticatorAdded/],
  ['an unknown type', 'Astrology', base64('x'), /not registered/],
];

test.each(UNSAFE)('an authenticator is refused when %s', async (_name, type, config, log) => {
  await using paper = await startTestPaper();
  const owner = await createTrader(paper, 'owner');
  const body = { owner: owner.owner, type, config };
  expect(await postJson(`${paper.url}/paper/authenticators`, body)).toMatchObject({
    status: 400,
    body: { errors: [{ msg: expect.stringMatching(log) }] },
  });
  const add = {
    typeUrl: dydx.TYPE_URL_MSG_ADD_AUTHENTICATOR,
    value: { sender: owner.owner, authenticatorType: type, data: Buffer.from(config, 'base64') },
  };
  expect((await owner.sendStateful([add])).code).toBe(0);
  paper.produceBlock();
  expect(paper.truth().transactions).toMatchObject([{ code: 1, codespace: 'undefined' }]);
});
