// The life of a worker process: start, ready, run, stop; its health is served from before the start until the end.
// SIGTERM, SIGINT, SIGHUP and the end of the process that started it with a channel stop it within the deadline; a
// second signal ends it at once, and so does an error that nobody caught: a worker runs whole or not at all, and what
// manages it starts it again.
import { existsSync } from 'node:fs';
import { type Config, ConfigError, readConfig } from '../config.ts';
import { createHealth, type Health } from '../ops/health.ts';
import { type OpsServer, startOpsServer } from '../ops/http-server.ts';
import { createLogger, errorFields } from '../ops/logger.ts';
import { createMetrics, type Metrics } from '../ops/metrics.ts';
import { exitCodeOf, readableError } from '../ops/readable-error.ts';
import { type Context, openContext, type Service } from './context.ts';

export type WorkerOptions = {
  /** Where health and metrics are served when PORT is unset; absent: nowhere. */
  readonly defaultPort?: number;
};

const SAME_SIGNAL_MS = 500;
const CLOSE_MS = 3_000;

/**
 * Exit codes: 1 start-up failed or an error that nobody caught, 3 the schema is too new for this version, 130 ended by a
 * second signal or by the deadline.
 */
export async function runWorker(
  component: string,
  start: (context: Context) => Promise<Service>,
  { defaultPort }: WorkerOptions = {},
): Promise<void> {
  let context: Context | undefined;
  // Rejections that nobody handles come here as well.
  process.on('uncaughtException', (error) => dieOf(error, component, context));
  const exitEarly = () => process.exit(130);
  process.once('disconnect', exitEarly);
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const { config, secrets } = readConfig(process.env);
    const health = createHealth(component);
    const metrics = createMetrics(component);
    const port = config.PORT ?? defaultPort;
    const server = port === undefined ? undefined : await serve(component, config, port, health, metrics);
    context = await openContext(component, config, secrets, metrics);
    const service = await start(context);
    process.off('disconnect', exitEarly);
    stopOnSignals(context, service, health, server);
    health.markStarted(service.checks ?? []);
    // A parent that has just died is told by the event, not by an error of this message.
    process.send?.('ready', undefined, {}, () => {});
  } catch (error) {
    const line = readableError(error);
    console.error(error instanceof ConfigError ? line : `${component} did not start: ${line}`);
    // What hangs while it closes ends with the process.
    const code = exitCodeOf(error);
    setTimeout(() => process.exit(code), CLOSE_MS);
    await context?.close().catch(() => {});
    process.exit(code);
  }
}

async function serve(
  component: string,
  { HOST: host, LOG_LEVEL }: Config,
  port: number,
  health: Health,
  metrics: Metrics,
): Promise<OpsServer> {
  metrics.watchProcess(health);
  const server = await startOpsServer({ host, port, health, metrics }).catch((error: Error) => {
    throw new ConfigError(error.message);
  });
  createLogger(component, LOG_LEVEL).info({ host, port: server.port }, 'health and metrics served');
  return server;
}

function dieOf(error: unknown, component: string, context: Context | undefined): never {
  if (context === undefined) console.error(`${component} ended by an error: ${readableError(error)}`);
  else {
    const stack = error instanceof Error ? error.stack : undefined;
    context.log.error({ ...errorFields(error), stack }, 'ended by an error that nobody caught');
  }
  process.exit(1);
}

function stopOnSignals(
  context: Context,
  service: Service,
  health: Health,
  server: OpsServer | undefined,
): void {
  const { log, config } = context;
  let stoppingSinceMs: number | undefined;
  const stop = (cause: string): void => {
    if (stoppingSinceMs !== undefined) {
      // The end of the channel often comes with a signal, and a process manager passes on a Ctrl-C that its children
      // got from the terminal as well: only a later signal is impatience.
      const isLater = Date.now() - stoppingSinceMs > SAME_SIGNAL_MS;
      if (cause !== 'disconnect' && isLater) process.exit(130);
      return;
    }
    stoppingSinceMs = Date.now();
    health.markStopping();
    log.info({ cause }, 'stopping');
    const deadline = setTimeout(() => {
      log.warn({ ms: config.SHUTDOWN_TIMEOUT_MS }, 'not stopped in time, the rows stay due');
      process.exit(130);
    }, config.SHUTDOWN_TIMEOUT_MS);
    service
      .stop()
      .then(() => context.close())
      .then(() => server?.close())
      .then(
        () => {
          clearTimeout(deadline);
          log.info({}, 'stopped');
          process.exit(0);
        },
        (error: unknown) => {
          log.error({ error: String(error) }, 'stopping failed');
          process.exit(1);
        },
      );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => stop(signal));
  process.on('disconnect', () => stop('disconnect'));
}
