// `router paper`: the paper exchange as a program of its own.
import { startPaper } from '../paper/paper.ts';

export type PaperCommand = {
  readonly port: number;
  readonly seed: number;
  readonly blockMs: number;
  readonly dataDir?: string;
};

export async function runPaper(options: PaperCommand): Promise<void> {
  const paper = await startPaper({
    ...options,
    log: (level, message, fields) =>
      console.error(`${level} ${message}${fields ? ` ${JSON.stringify(fields)}` : ''}`),
  });
  console.log(`paper exchange on ${paper.url}, chain ${paper.chainId}, block ${paper.height()}`);
  console.log(
    `DYDX_VALIDATOR_URL=${paper.url} DYDX_INDEXER_URL=${paper.url}; what really happened: ${paper.url}/paper/truth`,
  );
  process.send?.(paper.url);
  await new Promise<void>((done) => {
    for (const event of ['SIGINT', 'SIGTERM', 'disconnect']) process.once(event, () => done());
  });
  await paper.close();
  // The channel to a parent would keep the process alive.
  if (process.connected) process.disconnect();
}
