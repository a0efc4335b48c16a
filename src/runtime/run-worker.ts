// The life of a worker process: start, ready, run, stop. SIGTERM and SIGINT stop it within the deadline; a second
// signal ends it at once; so does the end of the process that started it with a channel.
import { existsSync } from 'node:fs';
import { ConfigError, readConfig } from '../config.ts';
import { readableError } from '../ops/readable-error.ts';
import { type Context, openContext, type Service } from './context.ts';

/** Exit codes: 1 start-up failed, 130 ended by a second signal or by the deadline. */
export async function runWorker(
  component: string,
  start: (context: Context) => Promise<Service>,
): Promise<void> {
  let context: Context | undefined;
  try {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const { config, secrets } = readConfig(process.env);
    context = await openContext(component, config, secrets);
    const service = await start(context);
    stopOnSignals(context, service);
    process.send?.('ready');
  } catch (error) {
    await context?.close().catch(() => {});
    const line = readableError(error);
    console.error(error instanceof ConfigError ? line : `${component} did not start: ${line}`);
    process.exit(1);
  }
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
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('disconnect', () => stop('disconnect'));
}
