// Which authenticators keep a key to trading. Every row is what an owner could have registered; the official client's
// own trading key is among them.
import { describe, expect, test } from 'vitest';
import { dydx } from '../../src/chain/dydx.ts';
import { publicKeyOf } from '../../src/chain/ecdsa.ts';
import type { Authenticator } from '../../src/core/ports.ts';
import { selectAuthenticators, whyNotTradeOnly } from '../../src/venue/trade-only.ts';

const KEY = publicKeyOf(Buffer.alloc(32, 7));
const OTHER_KEY = publicKeyOf(Buffer.alloc(32, 8));

type Part = { readonly type: string; readonly config: Uint8Array };

const PLACE = '/dydxprotocol.clob.MsgPlaceOrder';
const CANCEL = '/dydxprotocol.clob.MsgCancelOrder';
const BATCH = '/dydxprotocol.clob.MsgBatchCancel';
const WITHDRAW = '/dydxprotocol.sending.MsgWithdrawFromSubaccount';

const text = (type: string, config: string): Part => ({ type, config: Buffer.from(config) });
const signed = (key: Uint8Array = KEY): Part => ({ type: 'SignatureVerification', config: key });
const messages = (...urls: string[]) => text('MessageFilter', urls.join(','));
const trading = messages(PLACE, CANCEL, BATCH);
const pairs = text('ClobPairIdFilter', '0,1');
const subaccounts = text('SubaccountFilter', '0');
const composite = (type: string, ...parts: Part[]) =>
  text(
    type,
    JSON.stringify(
      parts.map((part) => ({ type: part.type, config: Buffer.from(part.config).toString('base64') })),
    ),
  );
const allOf = (...parts: Part[]) => composite('AllOf', ...parts);
const anyOf = (...parts: Part[]) => composite('AnyOf', ...parts);
const withId = (id: bigint, part: Part): Authenticator => ({ id, ...part });
const why = (part: Part) => whyNotTradeOnly([withId(5n, part)], [5n], KEY);

function officialTradingKey(): Part {
  const { type, data } = dydx.tradingKeyUtils.getAuthorizeNewTradingKeyArguments({
    generatedWalletPubKey: Buffer.from(KEY).toString('base64'),
  });
  return { type, config: data };
}

describe('trade-only is', () => {
  const rows: readonly (readonly [name: string, part: Part])[] = [
    ['the trading key that the official client registers', officialTradingKey()],
    ['a signature and a list of messages', allOf(signed(), trading)],
    ['the same in the other order', allOf(trading, signed())],
    ['with filters beside them', allOf(signed(), trading, pairs, subaccounts)],
    [
      'with one filter for each message',
      allOf(signed(), anyOf(messages(PLACE), messages(CANCEL), messages(BATCH))),
    ],
    ['fewer messages than all three', allOf(signed(), messages(PLACE, CANCEL))],
    ['nested one deeper', allOf(subaccounts, allOf(signed(), trading))],
    [
      'either way of two that both restrict',
      anyOf(allOf(signed(), trading), allOf(signed(), messages(PLACE))),
    ],
    [
      'a wider list that a narrower one cuts',
      allOf(signed(), messages(PLACE, WITHDRAW), messages(PLACE, CANCEL)),
    ],
  ];
  test.each(rows)('%s', (_name, part) => {
    expect(why(part)).toBeUndefined();
  });
});

describe('not trade-only is', () => {
  const anything = /lets this key send any message: a MessageFilter is missing/;
  const unsigned = /can be passed without a signature of this key/;
  const rows: readonly (readonly [name: string, part: Part, why: RegExp])[] = [
    ['a signature alone', signed(), anything],
    // Both filters let through every message that is no order: the key could withdraw.
    ['a signature with a ClobPairIdFilter', allOf(signed(), pairs), anything],
    ['a signature with a SubaccountFilter', allOf(signed(), subaccounts), anything],
    ['both filters together', allOf(signed(), pairs, subaccounts), anything],
    ['a filter and the choice of messages or none', allOf(signed(), anyOf(trading, pairs)), anything],
    ['one way that restricts and one that does not', anyOf(allOf(signed(), trading), signed()), anything],
    [
      'a list with a withdrawal',
      allOf(signed(), messages(PLACE, WITHDRAW)),
      /send .*MsgWithdrawFromSubaccount$/,
    ],
    [
      'one of two lists with a withdrawal',
      allOf(signed(), anyOf(trading, messages(WITHDRAW))),
      /MsgWithdraw/,
    ],
    ['a message in another spelling', allOf(signed(), messages(PLACE, ` ${CANCEL}`)), /send {2}\/dydx/],
    ['messages without a signature', trading, unsigned],
    ['the signature of another key', allOf(signed(OTHER_KEY), trading), unsigned],
    ['a choice of two keys', allOf(anyOf(signed(), signed(OTHER_KEY)), trading), unsigned],
    ['a signature or nothing', anyOf(allOf(signed(), trading), trading), unsigned],
    ['an unknown type', text('SpendLimit', '1'), /a type that this version does not know: SpendLimit/],
    ['an unknown member beside those that restrict', allOf(signed(), trading, text('X', '')), /not know: X/],
    ['members that are no JSON', text('AllOf', '[{"type"'), /has an AllOf that cannot be read/],
    ['one member alone', allOf(signed()), /has an AllOf that cannot be read/],
    ['no members', text('AnyOf', '[]'), /has an AnyOf that cannot be read/],
    ['members that are no list', text('AllOf', '{}'), /cannot be read/],
    [
      'a config that is no base64',
      text('AllOf', '[{"type":"MessageFilter","config":"%"},{"type":"X"}]'),
      /cannot be read/,
    ],
    [
      'a type that is given twice, in another case, of which Go takes the last',
      text(
        'AllOf',
        JSON.stringify([
          { type: 'SignatureVerification', config: Buffer.from(KEY).toString('base64') },
          { type: 'MessageFilter', config: Buffer.from(PLACE).toString('base64'), Type: 'SubaccountFilter' },
        ]),
      ),
      /cannot be read/,
    ],
  ];
  test.each(rows)('%s', (_name, part, expected) => {
    expect(why(part)).toMatch(expected);
    expect(why(part)).toMatch(/^authenticator 5 /);
  });
});

test('an id that the chain does not know, and no id at all, are told', () => {
  const known = [withId(5n, allOf(signed(), trading))];
  expect(whyNotTradeOnly(known, [5n, 6n], KEY)).toBe('the chain knows no authenticator 6 of the owner');
  expect(whyNotTradeOnly([], [5n], KEY)).toMatch(/no authenticator 5/);
  expect(whyNotTradeOnly(known, [], KEY)).toBe('no authenticator is chosen');
});

test('whoever holds the key can select any authenticator: one that was not chosen counts as well', () => {
  const chosen = withId(5n, allOf(signed(), trading));
  const wide = withId(6n, allOf(signed(), pairs));
  expect(whyNotTradeOnly([chosen, wide], [5n], KEY)).toMatch(
    /^authenticator 6 \(not chosen\) lets this key send any/,
  );
  const ofOthers = withId(6n, signed(OTHER_KEY));
  const narrow = withId(7n, allOf(signed(), messages(PLACE)));
  expect(whyNotTradeOnly([chosen, ofOthers, narrow], [5n], KEY)).toBeUndefined();
});

describe('for each message is selected', () => {
  const select = (...parts: Part[]) =>
    selectAuthenticators(
      parts.map((part, index) => withId(BigInt(index), part)),
      parts.map((_, index) => BigInt(index)),
      KEY,
    );

  test('the one that permits all of them', () => {
    expect(select(allOf(signed(), trading))).toEqual({
      ok: true,
      selected: { place: 0n, cancel: 0n, batchCancel: 0n },
    });
  });

  test('the first that permits it', () => {
    const parts = [messages(PLACE), messages(PLACE, CANCEL), trading].map((part) => allOf(signed(), part));
    expect(select(...parts)).toEqual({ ok: true, selected: { place: 0n, cancel: 1n, batchCancel: 2n } });
  });

  test.each([
    [BATCH, messages(PLACE, CANCEL)],
    [CANCEL, messages(PLACE, BATCH)],
    [PLACE, messages(CANCEL, BATCH)],
  ])('none when %s is permitted by none', (lacking, part) => {
    expect(select(allOf(signed(), part))).toEqual({ ok: false, lacking });
  });
});
