// As whom the embedded PostgreSQL runs: it refuses root, and it must not outlive the process that started it.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chownSync, readFileSync } from 'node:fs';

export type ServerUser = {
  readonly own: (path: string) => void;
  /** In a session of its own; on Linux it gets SIGINT, a fast shutdown, when this process dies, however it dies. */
  readonly spawn: (file: string, args: readonly string[]) => ChildProcess;
};

/**
 * PostgreSQL refuses to run as root. As root it is started as `postgres` or `nobody`, with the capability to
 * pass folders that only root may enter (a clone under /root or in a mktemp folder); no user is created.
 */
export function serverUser(): ServerUser {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0;
  const ids = isRoot ? unprivilegedIds() : undefined;
  const canDieWithUs = process.platform === 'linux' && canSetpriv('--pdeathsig', 'INT');
  if (isRoot && !canSetpriv('--securebits=+no_setuid_fixup')) {
    throw new Error('PostgreSQL does not run as root and setpriv (util-linux) is missing: set DATABASE_URL');
  }
  const flags = [
    ...(ids === undefined
      ? []
      : [
          `--reuid=${ids.uid}`,
          `--regid=${ids.gid}`,
          '--clear-groups',
          '--inh-caps=+dac_override',
          '--ambient-caps=+dac_override',
          '--securebits=+no_setuid_fixup',
        ]),
    // setpriv sets it after the change of user, which would clear it, and it survives exec; measured as root and not.
    ...(canDieWithUs ? ['--pdeathsig', 'INT'] : []),
  ];
  return {
    own: (path) => {
      if (ids !== undefined) chownSync(path, ids.uid, ids.gid);
    },
    spawn: (file, args) => {
      const [command, all] = flags.length === 0 ? [file, args] : ['setpriv', [...flags, '--', file, ...args]];
      return spawn(command, all, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
    },
  };
}

/** BusyBox has a setpriv that knows few options. */
function canSetpriv(...flags: readonly string[]): boolean {
  try {
    execFileSync('setpriv', [...flags, '--', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

function unprivilegedIds(): { uid: number; gid: number } {
  for (const name of ['postgres', 'nobody']) {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((entry) => entry.startsWith(`${name}:`));
    const [, , uid, gid] = line?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) };
  }
  throw new Error(
    'PostgreSQL does not run as root and there is no user postgres or nobody: set DATABASE_URL',
  );
}
