// Parts of the router in this process, with what their process would serve over HTTP.
import { expect } from 'vitest';
import { readConfig } from '../../src/config.ts';
import { createHealth } from '../../src/ops/health.ts';
import { startOpsServer } from '../../src/ops/http-server.ts';
import { createMetrics } from '../../src/ops/metrics.ts';
import { type Context, openContext, type Service } from '../../src/runtime/context.ts';

export type Served = AsyncDisposable & {
  readonly context: Context;
  readonly readyz: () => Promise<{ readonly status: number; readonly report: Report }>;
  /** the samples of one scrape by `name{labels}`, without the label component */
  readonly samples: () => Promise<ReadonlyMap<string, number>>;
};

type Report = {
  readonly status: string;
  readonly component: string;
  readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly why?: string }>>;
};

export async function startServed(
  component: string,
  start: (context: Context) => Promise<Service>,
  settings: Readonly<Record<string, string>>,
): Promise<Served> {
  const { config, secrets } = readConfig({ ...settings, LOG_LEVEL: 'silent' });
  await using opening = new AsyncDisposableStack();
  const metrics = createMetrics(component);
  const health = createHealth(component);
  metrics.watchProcess(health);
  const server = await startOpsServer({ host: '127.0.0.1', port: 0, health, metrics });
  opening.defer(server.close);
  const context = await openContext(component, config, secrets, metrics);
  opening.defer(context.close);
  const service = await start(context);
  opening.defer(service.stop);
  health.markStarted(service.checks ?? []);
  const stack = opening.move();
  const url = `http://127.0.0.1:${server.port}`;
  return {
    context,
    readyz: async () => {
      const response = await fetch(`${url}/readyz`);
      return { status: response.status, report: (await response.json()) as Report };
    },
    samples: async () => samplesOf(await (await fetch(`${url}/metrics`)).text()),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const [, name = '', value] = /^(.*) (\S+)$/.exec(line) ?? [];
      const own = name
        .replace(/component="\w+",?/, '')
        .replace(',}', '}')
        .replace('{}', '');
      return [own, Number(value)];
    }),
  );
}

/** Counting follows the commit: asked until all of it is there. */
export async function expectSamples(
  served: Served,
  wanted: Readonly<Record<string, number>>,
): Promise<ReadonlyMap<string, number>> {
  let samples: ReadonlyMap<string, number> = new Map();
  await expect
    .poll(async () => {
      samples = await served.samples();
      return Object.fromEntries(Object.keys(wanted).map((name) => [name, samples.get(name)]));
    })
    .toEqual(wanted);
  return samples;
}
