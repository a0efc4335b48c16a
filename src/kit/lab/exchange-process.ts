// The paper exchange as a process of its own, so that what it costs is not what the router costs. Its options come as
// JSON in the first argument; it sends where it can be asked, and ends with its parent.
import { type PaperOptions, startPaper } from '../../paper/paper.ts';

const ended = new Promise<void>((done) => {
  for (const event of ['SIGINT', 'SIGTERM', 'SIGHUP', 'disconnect']) process.once(event, () => done());
});
const options: PaperOptions = JSON.parse(process.argv[2] ?? '{}');
const paper = await startPaper(options);
process.send?.({ url: paper.url, nodes: paper.nodes });
await ended;
await paper.close();
if (process.connected) process.disconnect();
