// Signs short-term orders for one account: pure computation. The bytes are those of the official client (its
// messages, its transaction layout); only the ECDSA itself is done by libsecp256k1, 15 times faster.
// Same order, same bytes: nothing in a transaction depends on time or chance.
import { dydx } from '../chain/dydx.ts';
import { publicKeyOf, sha256, sign } from '../chain/ecdsa.ts';
import type { Signer, VenueOrder } from '../core/ports.ts';
import { MAX_INTEGER } from '../core/quantize.ts';
import { ownerOf } from './keys.ts';
import { bytesField, stringField, uint64Field } from './protobuf.ts';

export type SignerOptions = {
  readonly privateKey: Uint8Array;
  /** part of what is signed: a transaction is worthless on another chain */
  readonly chainId: string;
  /** the owner's; a wrong one is refused as sdk/4 */
  readonly accountNumber: number;
};

export async function createSigner({ privateKey, chainId, accountNumber }: SignerOptions): Promise<Signer> {
  const owner = await ownerOf(privateKey);
  const wallet = await dydx.LocalWallet.fromOfflineSigner(
    createOfflineSigner(owner, privateKey, chainId, accountNumber),
  );
  // Short-term transactions skip the sequence check, so that workers need no common counter.
  const options = { sequence: 0, accountNumber, chainId };

  return {
    owner,
    sign: async (order) => {
      checkOrder(order, owner);
      const bytes = await wallet.signTransaction([toMessage(order)], options, FEE, '');
      return { bytes, hash: sha256(bytes).toString('hex').toUpperCase() };
    },
  };
}

/** Orders pay no gas; the limit is the one the official client states. */
const FEE = { amount: [], gas: '1000000' };

const SIDE = { BUY: 1, SELL: 2 } as const satisfies Record<VenueOrder['side'], number>;
const TIME_IN_FORCE = { GTT: 0, IOC: 1, POST_ONLY: 2 } as const satisfies Record<
  VenueOrder['timeInForce'],
  number
>;

function toMessage(order: VenueOrder) {
  const { owner, subaccountNumber, clientId, orderFlags, clobPairId } = order.id;
  return {
    typeUrl: dydx.TYPE_URL_MSG_PLACE_ORDER,
    value: dydx.MsgPlaceOrder.fromPartial({
      order: {
        orderId: { subaccountId: { owner, number: subaccountNumber }, clientId, orderFlags, clobPairId },
        side: SIDE[order.side],
        // Strings become the client's own Long, exact to the last of 64 bits; a number would be a double.
        quantums: order.quantums.toString(),
        subticks: order.subticks.toString(),
        goodTilBlock: order.goodTilBlock,
        timeInForce: TIME_IN_FORCE[order.timeInForce],
        reduceOnly: order.reduceOnly,
        clientMetadata: order.clientMetadata,
      },
    }),
  };
}

/** What the encoder would wrap or cut silently is a bug of the caller and must not be signed. */
function checkOrder(order: VenueOrder, owner: string): void {
  const { id, quantums, subticks, goodTilBlock } = order;
  if (id.orderFlags !== 0) {
    throw new Error(`order flags ${id.orderFlags}: only short-term orders (0) are signed by this version`);
  }
  if (id.owner !== owner) throw new Error(`the order belongs to ${id.owner}, this signer signs for ${owner}`);
  const uint32s = {
    clientId: id.clientId,
    clobPairId: id.clobPairId,
    subaccountNumber: id.subaccountNumber,
    goodTilBlock,
  };
  for (const [name, value] of Object.entries(uint32s)) {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new Error(`${name} ${value} is no uint32`);
  }
  if (goodTilBlock === 0) throw new Error('goodTilBlock is 0');
  for (const [name, value] of Object.entries({ quantums, subticks })) {
    if (value <= 0n || value > MAX_INTEGER) throw new Error(`${name} ${value} is outside 1…2^63-1`);
  }
}

type OfflineDirectSigner = Extract<
  Parameters<typeof dydx.LocalWallet.fromOfflineSigner>[0],
  { signDirect: unknown }
>;

/** SignDoc{1: body, 2: auth_info, 3: chain_id, 4: account_number}; the last two never change. */
function createOfflineSigner(
  owner: string,
  privateKey: Uint8Array,
  chainId: string,
  accountNumber: number,
): OfflineDirectSigner {
  const pubkey = publicKeyOf(privateKey);
  const pubKey = { type: 'tendermint/PubKeySecp256k1', value: Buffer.from(pubkey).toString('base64') };
  const tail = Buffer.concat([stringField(3, chainId), uint64Field(4, BigInt(accountNumber))]);
  return {
    getAccounts: async () => [{ algo: 'secp256k1', address: owner, pubkey }],
    signDirect: async (_address, signed) => {
      const document = Buffer.concat([
        bytesField(1, signed.bodyBytes),
        bytesField(2, signed.authInfoBytes),
        tail,
      ]);
      const signature = Buffer.from(sign(document, privateKey)).toString('base64');
      return { signed, signature: { pub_key: pubKey, signature } };
    },
  };
}
