// The containers of one compose project, seen and handled from outside: states, health, the ops door, kill and stop.
import { type Environment, type Run, until } from './shell.ts';

const HEALTHY_TIMEOUT_MS = 120_000;
const ANSWER_TIMEOUT_MS = 60_000;
const WORKERS = ['submitter', 'reconciler', 'maintenance', 'ops'];

export type Stack = {
  readonly run: Run;
  readonly signal: AbortSignal;
  /** `docker compose …` for this project */
  readonly compose: (...args: string[]) => readonly string[];
  readonly env: Environment;
  readonly opsPort: number;
};

export type ContainerState = {
  readonly name: string;
  readonly service: string;
  readonly status: string;
  readonly health: string;
  readonly exitCode: number;
  readonly restarts: number;
};

const STATE_FORMAT = [
  '{{.Name}}',
  '{{index .Config.Labels "com.docker.compose.service"}}',
  '{{.State.Status}}',
  '{{if .State.Health}}{{.State.Health.Status}}{{else}}none{{end}}',
  '{{.State.ExitCode}}',
  '{{.RestartCount}}',
].join(' ');

async function states({ run, compose, env }: Stack): Promise<readonly ContainerState[]> {
  const { stdout } = await run(compose('ps', '--all', '--quiet'), { env });
  const ids = stdout.split('\n').filter((id) => id !== '');
  if (ids.length === 0) return [];
  const inspected = await run(['docker', 'inspect', '--format', STATE_FORMAT, ...ids]);
  return inspected.stdout.trim().split('\n').map(parseState);
}

function parseState(line: string): ContainerState {
  const [name = '', service = '', status = '', health = '', exitCode, restarts] = line.split(' ');
  return {
    name: name.replace(/^\//, ''),
    service,
    status,
    health,
    exitCode: Number(exitCode),
    restarts: Number(restarts),
  };
}

function isAsItShould({ service, status, health, exitCode }: ContainerState): boolean {
  return service === 'migrate' ? status === 'exited' && exitCode === 0 : health === 'healthy';
}

function describe(found: readonly ContainerState[]): string {
  return found
    .map(
      ({ name, status, health, exitCode }) => `${name} is ${status}, health ${health}, exit code ${exitCode}`,
    )
    .join('; ');
}

export function untilHealthy(stack: Stack): Promise<readonly ContainerState[]> {
  let seen: readonly ContainerState[] = [];
  return until(
    async () => {
      seen = await states(stack);
      return seen.length > 0 && seen.every(isAsItShould) ? seen : undefined;
    },
    () => describe(seen.filter((state) => !isAsItShould(state))),
    { timeoutMs: HEALTHY_TIMEOUT_MS, everyMs: 1_000, signal: stack.signal },
  );
}

/** The body of ops's answer with 200. */
export function untilAnswers({ opsPort, signal }: Stack, path: string): Promise<string> {
  let seen = 'no answer';
  return until(
    async () => {
      try {
        const timeout = AbortSignal.timeout(5_000);
        const response = await fetch(`http://127.0.0.1:${opsPort}${path}`, { signal: timeout });
        const body = await response.text();
        seen = `${response.status} ${body}`;
        return response.status === 200 ? body : undefined;
      } catch (error) {
        seen = String(error);
        return undefined;
      }
    },
    () => `${path}: ${seen}`,
    { timeoutMs: ANSWER_TIMEOUT_MS, everyMs: 500, signal },
  );
}

/** Kills the process of one submitter from inside: `docker kill` would count as stopped on purpose. */
export async function killSubmitter({ run, compose, env }: Stack): Promise<void> {
  const command = compose('exec', '-T', 'submitter', 'sh', '-c', 'kill -KILL $(cat /proc/1/task/1/children)');
  // The killed container takes the shell along, now and then before it has ended by itself.
  await run(command, { env, codes: [0, 1, 129, 137] });
}

export function untilRestarted(stack: Stack): Promise<ContainerState> {
  let seen: readonly ContainerState[] = [];
  return until(
    async () => {
      seen = (await states(stack)).filter(({ service }) => service === 'submitter');
      return seen.find(({ restarts, health }) => restarts > 0 && health === 'healthy');
    },
    () => describe(seen),
    { timeoutMs: HEALTHY_TIMEOUT_MS, everyMs: 1_000, signal: stack.signal },
  );
}

/** A worker that is told to stop ends by itself, with 0, and not by the SIGKILL that comes after the grace. */
export async function stopWorkers(stack: Stack): Promise<readonly ContainerState[]> {
  await stack.run(stack.compose('stop', ...WORKERS), { env: stack.env });
  const stopped = (await states(stack)).filter(({ service }) => WORKERS.includes(service));
  const bad = stopped.filter(({ status, exitCode }) => status !== 'exited' || exitCode !== 0);
  if (bad.length > 0) throw new Error(describe(bad));
  return stopped;
}
