// VACUUM and ANALYZE, table by table: each has its own time, and one that fails holds up no other.
import type { Run, Work } from './maintenance.ts';
import { MAINTAINED } from './roles.ts';

/** @param timeoutS of each table */
export const vacuum = (timeoutS: number): Work => tend('VACUUM (ANALYZE)', timeoutS);
/** @param timeoutS of each table */
export const analyze = (timeoutS: number): Work => tend('ANALYZE', timeoutS);

function tend(statement: string, timeoutS: number): Work {
  return async ({ session, signal, progress }: Run) => {
    const failures: string[] = [];
    // A table of another owner is skipped with a warning only: not maintained is failed.
    session.on('notice', ({ message }) => {
      if (message?.includes('skipping')) failures.push(message);
    });
    await session.query(`SET statement_timeout = '${timeoutS}s'`);
    let tables = 0;
    for (const table of MAINTAINED) {
      signal.throwIfAborted();
      try {
        await session.query(`${statement} ${table}`);
        progress({ tables: ++tables }, tables / MAINTAINED.length);
      } catch (error) {
        signal.throwIfAborted();
        failures.push(`${table}: ${error instanceof Error ? error.message : error}`);
      }
    }
    if (failures.length > 0) throw new Error(failures.join('; '));
    return { tables };
  };
}
