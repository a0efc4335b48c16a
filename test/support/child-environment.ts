// Runs before every test file: what its processes start with. Vitest switches the compile cache off for the sake of
// its own, whose coverage would be less exact; this process has started without it, those that it starts have it.
import { inject } from 'vitest';

const compileCache = { NODE_COMPILE_CACHE: inject('compileCache') };

Reflect.deleteProperty(process.env, 'NODE_DISABLE_COMPILE_CACHE');
Object.assign(process.env, compileCache);

/** For a process that must see nothing of the environment of whoever runs the tests. */
export function bareEnvironment(): Readonly<Record<string, string>> {
  return { PATH: process.env['PATH'] ?? '', ...compileCache };
}
