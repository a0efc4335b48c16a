// A paper exchange of its own process, for the test that kills it: prints its URL, makes a block every 20 ms.
import { startPaper } from '../../src/paper/paper.ts';

const paper = await startPaper({ blockMs: 20, dataDir: process.argv[2] ?? '' });
process.stdout.write(`${paper.url}\n`);
