// npm run test:containers: the image and docker-compose.yml on a real engine, from nothing to final orders and a clean
// stop. What it starts carries a project name of its own and is removed at the end, unless KEEP=1.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentSchema } from '../../src/config.ts';
import { freePort } from '../../src/kit/lab/free-port.ts';
import { proveOneFill, submitExamples, untilFinal } from './orders.ts';
import { createRun, type Environment, type Run } from './shell.ts';
import {
  killSubmitter,
  type Stack,
  stopWorkers,
  untilAnswers,
  untilHealthy,
  untilRestarted,
} from './stack.ts';
import { count, step } from './step.ts';

/** The first run on a machine without a registry makes its images: 4 minutes on two cores, longer on a slow line. */
const WHOLE_TIMEOUT_MS = 20 * 60_000;
const CLEAN_UP_TIMEOUT_MS = 120_000;
const HOW = 'https://docs.docker.com/engine/install/, on Debian: apt-get install docker.io docker-compose';

/** What the shell has set wins over paper.env: without this, DYDX_NETWORK=testnet would send the examples there. */
function withoutSettings(environment: Environment): Environment {
  const ours = new Set([...Object.keys(environmentSchema.shape), 'DYDX_KEY_SOURCE', 'SUBMITTER_REPLICAS']);
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !ours.has(name) && !name.startsWith('COMPOSE_')),
  );
}

async function works(run: Run, command: readonly string[]): Promise<boolean> {
  return run(command).then(
    () => true,
    () => false,
  );
}

/** `docker compose` or docker-compose; COMPOSE names another. A sentence when the test cannot run. */
async function findCompose(run: Run): Promise<readonly string[] | string> {
  if (!(await works(run, ['docker', 'info']))) return `no Docker engine: ${HOW}`;
  const named = process.env['COMPOSE'];
  for (const candidate of named ? [named.split(' ')] : [['docker', 'compose'], ['docker-compose']]) {
    if (await works(run, [...candidate, 'version'])) return candidate;
  }
  return `no docker compose: ${HOW}`;
}

/** What deploy/containers/images.sh prints: NAME=image lines. */
async function findImages(run: Run): Promise<Readonly<Record<string, string>>> {
  const { stdout } = await run(['deploy/containers/images.sh']);
  const lines = stdout.trim().split('\n');
  return Object.fromEntries(
    lines.map((line) => {
      const [name = '', image = ''] = line.split('=', 2);
      return [name, image];
    }),
  );
}

async function testStack(stack: Stack): Promise<void> {
  const { run, compose, env } = stack;
  await step('up', () => run(compose('up', '--detach', '--no-build'), { env }));
  await step(
    'healthy',
    () => untilHealthy(stack),
    (states) => count(states.map(({ service }) => service)),
  );
  await step(
    'readyz',
    () => untilAnswers(stack, '/readyz'),
    (body) => body.slice(0, 80).replaceAll('\n', ' '),
  );
  await step(
    'metrics',
    () => untilAnswers(stack, '/metrics'),
    (body) => `${body.split('\n').filter((line) => /^[a-z]/.test(line)).length} series`,
  );
  const outcomes = await step('submit', () => submitExamples(stack), count);
  await step('kill', () => killSubmitter(stack));
  const orders = await step(
    'final',
    () => untilFinal(stack, outcomes.filter((outcome) => outcome === 'recorded').length),
    (found) => count(found.map(({ status }) => status)),
  );
  await step(
    'proven',
    () => proveOneFill(stack, orders),
    (clientId) => `FILLED ${clientId}`,
  );
  await step(
    'restart',
    () => untilRestarted(stack),
    ({ name }) => `${name} is back`,
  );
  await step(
    'stop',
    () => stopWorkers(stack),
    (stopped) => `${stopped.length} workers ended with 0`,
  );
}

async function main(): Promise<number> {
  const broken = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => broken.abort(new Error(name)));
  }
  const signal = AbortSignal.any([broken.signal, AbortSignal.timeout(WHOLE_TIMEOUT_MS)]);
  const run = createRun(() => signal);
  const composeCommand = await findCompose(run);
  if (typeof composeCommand === 'string') {
    console.log(`containers: NOT RUN, ${composeCommand}`);
    return process.env['REQUIRE_CONTAINERS'] === '1' ? 1 : 0;
  }

  const project = `router-test-${process.pid}`;
  const secrets = mkdtempSync(join(tmpdir(), `${project}-`));
  const opsPort = await freePort();
  const given: Environment = {
    ...withoutSettings(process.env),
    COMPOSE_PROJECT_NAME: project,
    ROUTER_IMAGE: 'dydx-order-router:test',
    SECRETS_DIR: secrets,
    OPS_PORT: String(opsPort),
  };
  const compose = (...args: string[]) => [
    ...composeCommand,
    '--env-file',
    'deploy/containers/paper.env',
    ...args,
  ];
  // Cleans up after a test that was broken off too: each command has a time of its own.
  const runLast = createRun(() => AbortSignal.timeout(CLEAN_UP_TIMEOUT_MS));
  let env = given;
  let passed = false;
  try {
    const images = await step(
      'images',
      () => findImages(run),
      (found) => Object.values(found).join(' '),
    );
    env = { ...given, ...images };
    await step('build', () => run(['deploy/containers/build.sh'], { env }));
    await run(['deploy/containers/secrets.sh', secrets]);
    await testStack({ run, signal, env, opsPort, compose });
    passed = true;
  } catch (error) {
    const logs = compose('logs', '--no-color', '--tail', '40');
    console.log(await runLast(logs, { env }).then(({ stdout }) => stdout, String));
    const cause = signal.aborted ? signal.reason : error;
    console.log(`containers: FAILED, ${cause instanceof Error ? cause.message : cause}`);
  } finally {
    if (process.env['KEEP'] === '1') {
      console.log(`kept: project ${project}, secrets in ${secrets}, http://127.0.0.1:${opsPort}/metrics`);
    } else {
      const down = compose('down', '--volumes', '--remove-orphans', '--timeout', '5');
      await step('down', () => runLast(down, { env }));
      rmSync(secrets, { recursive: true, force: true });
    }
  }
  if (passed) console.log('containers: passed');
  return passed ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.log(`containers: FAILED, ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
}
