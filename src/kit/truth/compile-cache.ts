// Where Node keeps compiled modules, so that a process that is started again is ready in half the time; gone with the
// servers.
import { join } from 'node:path';
import type { Servers } from '../lab/servers.ts';
import type { Settings } from './scenario.ts';

export function compileCache({ folder }: Servers): Settings {
  return { NODE_COMPILE_CACHE: join(folder, 'compiled') };
}
