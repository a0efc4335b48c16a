// The life of a worker process: start, ready, run, stop. SIGTERM, SIGINT, SIGHUP and the end of the process that started
// it with a channel stop it within the deadline; a second signal ends it at once, and so does an error that nobody
// caught: a worker runs whole or not at all, and what manages it starts it again.
import { existsSync } from 'node:fs';
import { ConfigError, readConfig } from '../config.ts';
import { errorFields } from '../ops/logger.ts';
import { readableError } from '../ops/readable-error.ts';
import { type Context, openContext, type Service } from './context.ts';

/** Exit codes: 1 start-up failed or an error that nobody caught, 130 ended by a second signal or by the deadline. */
export async function runWorker(
  component: string,
  start: (context: Context) => Promise<Service>,
): Promise<void> {
  let context: Context | undefined;
  // Rejections that nobody handles come here as well.
  process.on('uncaughtException', (error) => dieOf(error, component, context));
  const exitEarly = () => process.exit(130);
  process.once('disconnect', exitEarly);
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const { config, secrets } = readConfig(process.env);
    context = await openContext(component, config, secrets);
    const service = await start(context);
    process.off('disconnect', exitEarly);
    stopOnSignals(context, service);
    // A parent that has just died is told by the event, not by an error of this message.
    process.send?.('ready', undefined, {}, () => {});
  } catch (error) {
    await context?.close().catch(() => {});
    const line = readableError(error);
    console.error(error instanceof ConfigError ? line : `${component} did not start: ${line}`);
    process.exit(1);
  }
}

function dieOf(error: unknown, component: string, context: Context | undefined): never {
  if (context === undefined) console.error(`${component} ended by an error: ${readableError(error)}`);
  else {
    const stack = error instanceof Error ? error.stack : undefined;
    context.log.error({ ...errorFields(error), stack }, 'ended by an error that nobody caught');
  }
  process.exit(1);
}

function stopOnSignals(context: Context, service: Service): void {
  const { log, config } = context;
  let isStopping = false;
  const stop = (cause: string): void => {
    if (isStopping) {
      // The end of the channel often comes with a signal; only a second signal is impatience.
      if (cause !== 'disconnect') process.exit(130);
      return;
    }
    isStopping = true;
    log.info({ cause }, 'stopping');
    const deadline = setTimeout(() => {
      log.warn({ ms: config.SHUTDOWN_TIMEOUT_MS }, 'not stopped in time, the rows stay due');
      process.exit(130);
    }, config.SHUTDOWN_TIMEOUT_MS);
    service
      .stop()
      .then(() => context.close())
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
