// A cancel that the owner sends from elsewhere, such as the exchange's own page: for systems that cannot cancel.
import { sizeToQuantums } from '../../core/quantize.ts';
import { marketOfTicker } from '../../paper/markets.ts';
import type { Paper } from '../../paper/paper.ts';
import { paperPrivateKey } from '../../venue/keys.ts';
import { createSigner } from '../../venue/signer.ts';
import { createValidator } from '../../venue/validator.ts';
import type { Intent } from './orders.ts';

/** Nothing happens when the exchange has no such order. */
export async function cancelByHand(paper: Paper, { market: ticker, side, size }: Intent): Promise<void> {
  const market = marketOfTicker(ticker);
  const quantums = market === undefined ? undefined : sizeToQuantums(size, market);
  const order = paper
    .truth()
    .orders.find(
      (each) =>
        each.accepted > 0 &&
        each.market === ticker &&
        each.side === side &&
        each.quantums === String(quantums),
    );
  if (order === undefined) return;
  const validator = createValidator({
    url: paper.url,
    chainId: paper.chainId,
    timeoutMs: 3_000,
    connections: 1,
  });
  try {
    const { owner } = order;
    const accountNumber = await validator.accountNumber(owner);
    const signer = await createSigner({
      privateKey: paperPrivateKey(),
      chainId: paper.chainId,
      accountNumber,
    });
    const id = {
      owner,
      subaccountNumber: order.subaccount_number,
      clientId: order.client_id,
      orderFlags: order.order_flags,
      clobPairId: order.clob_pair_id,
    };
    const isShortTerm = order.order_flags === 0;
    const tx = isShortTerm
      ? await signer.signCancel({ id, goodTilBlock: order.good_til_block })
      : await signer.signCancel(
          { id, goodTilBlockTime: order.good_til_block_time },
          { nonce: Date.now(), memo: '' },
        );
    await validator.broadcast(tx.bytes, () => true, 0);
  } finally {
    await validator.close();
  }
}
