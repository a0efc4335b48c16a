// The way of the official client, unmodified: its composer and its signing, on a connection that is asked for nothing
// but its status.
import { dydx } from '../../src/chain/dydx.ts';
import type { VenueBatchCancel, VenueCancel, VenueOrder } from '../../src/core/ports.ts';
import { json, startServer } from './scripted-server.ts';

type Long = ReturnType<typeof dydx.Order.decode>['quantums'];

const long = (value: bigint): Long => dydx.Order.fromPartial({ quantums: value.toString() }).quantums;

export type Official = {
  readonly place: (order: VenueOrder, envelope?: Envelope) => Promise<Uint8Array>;
  readonly cancel: (cancel: VenueCancel, envelope?: Envelope) => Promise<Uint8Array>;
  readonly batchCancel: (batch: VenueBatchCancel, envelope?: Envelope) => Promise<Uint8Array>;
};

type Envelope = {
  readonly sequence?: number;
  readonly memo?: string;
  readonly authenticator?: bigint;
};

const SIDES = { BUY: dydx.Order_Side.SIDE_BUY, SELL: dydx.Order_Side.SIDE_SELL };
const TIMES_IN_FORCE = {
  GTT: dydx.Order_TimeInForce.TIME_IN_FORCE_UNSPECIFIED,
  IOC: dydx.Order_TimeInForce.TIME_IN_FORCE_IOC,
  POST_ONLY: dydx.Order_TimeInForce.TIME_IN_FORCE_POST_ONLY,
};
const CONDITIONS = {
  STOP_LOSS: dydx.Order_ConditionType.CONDITION_TYPE_STOP_LOSS,
  TAKE_PROFIT: dydx.Order_ConditionType.CONDITION_TYPE_TAKE_PROFIT,
};

export async function connectOfficial(
  privateKey: Uint8Array,
  owner: string,
  chainId: string,
  accountNumber: number,
): Promise<Official> {
  const server = await startServer(
    json({ jsonrpc: '2.0', id: 1, result: { node_info: { version: '0.38.5' } } }),
  );
  const denoms = {
    USDC_DENOM: 'ibc/usdc',
    USDC_DECIMALS: 6,
    CHAINTOKEN_DENOM: 'adydx',
    CHAINTOKEN_DECIMALS: 18,
  };
  const config = new dydx.ValidatorConfig(server.url, chainId, denoms);
  const { post } = await dydx.ValidatorClient.connect(config);
  await server.close();
  const wallet = await dydx.LocalWallet.fromPrivateKey(Buffer.from(privateKey).toString('hex'), 'dydx');

  type Message = ReturnType<typeof post.composer.composeMsgPlaceOrder>;
  const sign = (message: Message, { sequence = 0, memo = '', authenticator }: Envelope) => {
    const subaccount =
      authenticator === undefined
        ? dydx.SubaccountInfo.forLocalWallet(wallet, 0)
        : dydx.SubaccountInfo.forPermissionedWallet(wallet, owner, 0, [long(authenticator)]);
    const account = async () => ({ address: owner, pubkey: null, accountNumber, sequence });
    return post.sign(subaccount, async () => [message], true, undefined, memo, account);
  };

  return {
    place: (order, envelope = {}) => {
      const { id, condition } = order;
      const message = post.composer.composeMsgPlaceOrder(
        id.owner,
        id.subaccountNumber,
        id.clientId,
        id.clobPairId,
        id.orderFlags,
        order.goodTilBlock ?? 0,
        order.goodTilBlockTime ?? 0,
        SIDES[order.side],
        long(order.quantums),
        long(order.subticks),
        TIMES_IN_FORCE[order.timeInForce],
        order.reduceOnly,
        order.clientMetadata,
        ...(condition === undefined
          ? []
          : ([CONDITIONS[condition.type], long(condition.triggerSubticks)] as const)),
      );
      return sign(message, envelope);
    },
    cancel: ({ id, goodTilBlock, goodTilBlockTime }, envelope = {}) =>
      sign(
        post.composer.composeMsgCancelOrder(
          id.owner,
          id.subaccountNumber,
          id.clientId,
          id.clobPairId,
          id.orderFlags,
          goodTilBlock ?? 0,
          goodTilBlockTime ?? 0,
        ),
        envelope,
      ),
    batchCancel: ({ owner: of, subaccountNumber, lists, goodTilBlock }, envelope = {}) => {
      const batches = lists.map(({ clobPairId, clientIds }) => ({ clobPairId, clientIds: [...clientIds] }));
      return sign(
        post.composer.composeMsgBatchCancelShortTermOrders(of, subaccountNumber, batches, goodTilBlock),
        envelope,
      );
    },
  };
}
