// PostgreSQL and Redis for the test suite in containers of their own (TEST_CONTAINERS=1). Both forget on stop and do
// not wait for the disk: what they keep is worth one run.
import { GenericContainer, type StartedTestContainer, Wait } from 'testcontainers';

export type ServiceContainer = {
  readonly url: string;
  /** Ends and removes the container; a second call changes nothing. */
  readonly stop: () => Promise<void>;
};

const START_TIMEOUT_MS = 120_000;
const PASSWORD = 'test';

/** A superuser's URL of the database `postgres`. Image: TEST_POSTGRES_IMAGE, default postgres:18. */
export async function startPostgresContainer(): Promise<ServiceContainer> {
  const container = await new GenericContainer(imageOf('TEST_POSTGRES_IMAGE', 'postgres:18'))
    .withEnvironment({ POSTGRES_USER: 'postgres', POSTGRES_PASSWORD: PASSWORD, POSTGRES_DB: 'postgres' })
    .withCommand([
      'postgres',
      ...setting('fsync', 'off'),
      ...setting('synchronous_commit', 'off'),
      ...setting('full_page_writes', 'off'),
      ...setting('max_connections', '300'),
    ])
    .withExposedPorts(5432)
    // By TCP: while the image makes the cluster, its server listens on a socket only.
    .withHealthCheck({
      test: ['CMD', 'pg_isready', '-h', '127.0.0.1', '-U', 'postgres'],
      interval: 250,
      timeout: 2_000,
      retries: 400,
    })
    .withWaitStrategy(Wait.forHealthCheck())
    .withStartupTimeout(START_TIMEOUT_MS)
    .start();
  return serviceOf(container, 5432, (address) => `postgresql://postgres:${PASSWORD}@${address}/postgres`);
}

/** An empty Redis without a password. Image: TEST_REDIS_IMAGE, default redis:8. */
export async function startRedisContainer(): Promise<ServiceContainer> {
  const container = await new GenericContainer(imageOf('TEST_REDIS_IMAGE', 'redis:8'))
    // An append-only file without fsync: the router looks at whether there is one, and it costs the tests nothing.
    .withCommand(
      'redis-server --appendonly yes --appendfsync no --maxmemory-policy noeviction --protected-mode no'.split(
        ' ',
      ),
    )
    .withExposedPorts(6379)
    .withHealthCheck({ test: ['CMD', 'redis-cli', 'ping'], interval: 250, timeout: 2_000, retries: 400 })
    .withWaitStrategy(Wait.forHealthCheck())
    .withStartupTimeout(START_TIMEOUT_MS)
    .start();
  return serviceOf(container, 6379, (address) => `redis://${address}`);
}

function imageOf(variable: string, byDefault: string): string {
  return process.env[variable] || byDefault;
}

function setting(name: string, value: string): readonly [string, string] {
  return ['-c', `${name}=${value}`];
}

function serviceOf(
  container: StartedTestContainer,
  port: number,
  urlOf: (address: string) => string,
): ServiceContainer {
  let stopping: Promise<void> | undefined;
  return {
    url: urlOf(`${container.getHost()}:${container.getMappedPort(port)}`),
    stop: () => {
      stopping ??= container.stop({ timeout: 0, remove: true, removeVolumes: true }).then(() => {});
      return stopping;
    },
  };
}
