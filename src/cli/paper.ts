// `router paper`: the paper exchange as a program of its own.
import { startPaper } from '../paper/paper.ts';

export type PaperCommand = {
  readonly host: string;
  readonly port: number;
  readonly seed: number;
  readonly blockMs: number;
  readonly dataDir?: string;
  /** validators in front of the one chain, 1 to 8 */
  readonly nodes?: number;
  readonly gossipBlocks?: number;
  readonly indexerLagBlocks?: number;
  readonly indexerCacheMs?: number;
  readonly trustsSignatures?: boolean;
};

export async function runPaper(options: PaperCommand): Promise<void> {
  // From the start: a parent that dies meanwhile would leave it behind.
  const ended = new Promise<void>((done) => {
    for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.once(event, () => done());
  });
  const paper = await startPaper({
    ...options,
    log: (level, message, fields) =>
      console.error(`${level} ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}`),
  });
  console.log(`paper exchange on ${paper.url}, chain ${paper.chainId}, block ${paper.height()}`);
  console.log(
    `DYDX_VALIDATOR_URLS=${paper.nodes.join(',')} DYDX_INDEXER_URL=${paper.url}; what really happened: ${paper.url}/paper/truth`,
  );
  // A parent that has just died is told by the event, not by an error of this message.
  process.send?.(paper.url, undefined, {}, () => {});
  await ended;
  await paper.close();
  // The channel to a parent would keep the process alive.
  if (process.connected) process.disconnect();
}
