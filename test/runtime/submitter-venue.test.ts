// What a submitter says of its venue at start.
import { expect, onTestFinished, test } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { startPaper } from '../../src/paper/paper.ts';
import { openContext } from '../../src/runtime/context.ts';
import { openSubmitterVenue } from '../../src/runtime/submitter-venue.ts';
import { createDatabase } from '../support/databases.ts';

/** The errors in the log of a start with two nodes, of which so many index transactions. */
async function errorsOfStart(indexing: 0 | 1): Promise<readonly string[]> {
  await using database = await createDatabase();
  const paper = await startPaper({ blockMs: 50, nodes: 2 });
  onTestFinished(paper.close);
  for (const node of [0, 1]) paper.setNode(node, { tx_index: node < indexing });
  const { config, secrets } = readConfig({
    DATABASE_URL: database.url,
    DYDX_VALIDATOR_URLS: paper.nodes.join(),
    DYDX_INDEXER_URL: paper.url,
    LOG_LEVEL: 'silent',
  });
  const context = await openContext('tester', config, secrets);
  const errors: string[] = [];
  const error = (fields: object, message: string) => errors.push(`${message} ${JSON.stringify(fields)}`);
  const log = Object.assign(Object.create(context.log), { error });
  const venue = await openSubmitterVenue({ ...context, log });
  await venue.close();
  await context.close();
  return errors;
}

test('without a node that indexes transactions it starts, and logs as an error what to do', async () => {
  expect(await errorsOfStart(0)).toEqual([
    expect.stringMatching(/^no validator indexes transactions .*set tx_index = .* of DYDX_VALIDATOR_URLS/),
  ]);
});

test('one node that indexes transactions is enough', async () => {
  expect(await errorsOfStart(1)).toEqual([]);
});
