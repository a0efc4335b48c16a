// The venue as it is configured: what is missing is named by its variable, and what becomes of validators is logged.
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { type Config, readConfig } from '../../src/config.ts';
import type { Logger } from '../../src/ops/logger.ts';
import { type Paper, startPaper } from '../../src/paper/paper.ts';
import { networkOf, openValidator } from '../../src/runtime/venue.ts';

let paper: Paper | undefined;
afterEach(() => paper?.close());

const configOf = (settings: Readonly<Record<string, string>>): Config => readConfig(settings).config;

test.each([
  [{}, 'DYDX_NETWORK=paper needs DYDX_VALIDATOR_URLS and DYDX_INDEXER_URL'],
  [{ DYDX_NETWORK: 'custom' }, 'network custom needs DYDX_CHAIN_ID'],
  [{ DYDX_NETWORK: 'custom', DYDX_CHAIN_ID: 'x-1' }, 'network custom needs DYDX_VALIDATOR_URLS'],
  [{ DYDX_VALIDATOR_URLS: 'http://a,http://b' }, 'network paper needs DYDX_INDEXER_URL'],
])('%j lacks something', (settings, problem) => {
  expect(() => networkOf(configOf(settings))).toThrow(problem);
});

test('a validator that is left out is a warning with its host, and one that is asked again is told a minute later', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => {
    vi.useRealTimers();
  });
  paper = await startPaper({ blockMs: 0, nodes: 2 });
  const lines: string[] = [];
  const write = (level: string) => (fields: object, message: string) =>
    lines.push(`${level} ${message} ${JSON.stringify(fields)}`);
  const log: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  };
  const settings = { DYDX_VALIDATOR_URLS: paper.nodes.join(), DYDX_INDEXER_URL: paper.url };
  const validator = openValidator(configOf(settings), log);
  paper.setNode(1, { catching_up: true });
  await validator.latestBlock();
  paper.setNode(1, { catching_up: false });
  await validator.latestBlock();
  expect(lines).toHaveLength(1);
  vi.advanceTimersByTime(60_000);
  await validator.latestBlock();
  await validator.close();
  const { host } = new URL(paper.url);
  expect(lines).toEqual([
    `warn validator left out {"host":"${host}","why":"${host} is catching up: it does not know the newest blocks"}`,
    `info validator asked again {"host":"${host}","why":"it answers and follows the chain"}`,
  ]);
});
