// `router backup`: dumps and base backups as the scheduler takes them, what there is, and whether it is whole.
import { basename } from 'node:path';
import { base, whyNotArchived } from '../backup/base.ts';
import { findClientTools } from '../backup/client-tools.ts';
import { dump } from '../backup/dump.ts';
import { findDump, listDumps, requireFolder } from '../backup/folder.ts';
import { drill } from '../backup/restore.ts';
import { listOf, requireListed, requireWhole } from '../backup/verify.ts';
import { ConfigError, readConfig } from '../config.ts';
import { endOnInterrupt } from './interrupt.ts';
import { table, time } from './output.ts';
import { type MakeWork, runUpkeepCommand, type UpkeepOptions } from './upkeep.ts';

export const NO_DATABASE =
  'no database: set DATABASE_URL, or DATA_DIR to the folder of a running `npm start`';

const settings: (...given: Parameters<MakeWork>) => Parameters<typeof dump>[0] = (config, secrets) => {
  const url = secrets.backupDatabaseUrl;
  if (url === undefined) throw new ConfigError(NO_DATABASE);
  const folder = requireFolder(config.BACKUP_DIR);
  return { url, folder, keepDays: config.BACKUP_KEEP_DAYS, binDir: config.PG_BIN_DIR };
};

export function runDump(options: UpkeepOptions): Promise<number> {
  // Without a folder it is never due: cron would take that for all being well.
  requireFolder(readConfig(process.env).config.BACKUP_DIR);
  return runUpkeepCommand('backup', options, (...given) => dump(settings(...given)));
}

export async function runBase(options: UpkeepOptions): Promise<number> {
  const { config, secrets } = readConfig(process.env);
  const { url } = settings(config, secrets);
  const code = await runUpkeepCommand('base_backup', options, (...given) => base(settings(...given)));
  if (code === 0) for (const line of await whyNotArchived(url)) console.error(`warning: ${line}`);
  return code;
}

export function runListDumps(json: boolean): void {
  const { config } = readConfig(process.env);
  const dumps = listDumps(requireFolder(config.BACKUP_DIR));
  if (json) {
    for (const { file, sidecar } of dumps) console.log(JSON.stringify({ file, ...sidecar }));
    return;
  }
  const rows = dumps.map(({ file, sidecar }) => [
    basename(file),
    time(new Date(sidecar.taken_at)),
    String(sidecar.bytes),
    String(Object.keys(sidecar.tables).length),
    String(Object.values(sidecar.tables).reduce((total, one) => total + one.rows, 0)),
    sidecar.schema ?? '-',
    sidecar.chain_id ?? '-',
  ]);
  if (rows.length === 0) console.log('no dumps yet: router backup dump');
  else console.log(table([['file', 'taken', 'bytes', 'tables', 'rows', 'schema', 'chain'], ...rows]));
}

export async function runVerify(given: string | undefined): Promise<void> {
  const { config } = readConfig(process.env);
  const interrupt = endOnInterrupt();
  try {
    const file = findDump(config.BACKUP_DIR, given);
    const tools = await findClientTools(config.PG_BIN_DIR, undefined);
    const sidecar = await requireWhole(file, interrupt.signal);
    if (sidecar === undefined) {
      const lines = await listOf(tools, file, interrupt.signal);
      console.log(
        `${basename(file)} lists ${lines.length} objects; without ${basename(file)}.json no more can be said`,
      );
      return;
    }
    await requireListed(tools, file, sidecar.tables, interrupt.signal);
    console.log(
      `${basename(file)} is whole: ${sidecar.bytes} bytes, ${Object.keys(sidecar.tables).length} tables`,
    );
  } finally {
    interrupt.release();
  }
}

type DrillOptions = { readonly into?: string; readonly json: boolean };

/** @returns the exit code */
export async function runDrill(given: string | undefined, { into, json }: DrillOptions): Promise<number> {
  const { config, secrets } = readConfig(process.env);
  const url = into ?? secrets.databaseDirectUrl;
  if (url === undefined) throw new ConfigError(NO_DATABASE);
  const interrupt = endOnInterrupt();
  try {
    const file = findDump(config.BACKUP_DIR, given);
    const { tables, rows, differences } = await drill({
      file,
      url,
      binDir: config.PG_BIN_DIR,
      signal: interrupt.signal,
    });
    if (json) console.log(JSON.stringify({ file, tables, rows, differences: differences ?? null }));
    else if (differences === undefined)
      console.log(
        `${basename(file)} restores ${tables} tables, ${rows} rows; without its .json nothing was compared`,
      );
    else if (differences.length === 0)
      console.log(
        `${basename(file)} restores as it was dumped: ${tables} tables, ${rows} rows, every checksum equal`,
      );
    else for (const line of differences) console.error(`${basename(file)}: ${line}`);
    return differences === undefined || differences.length === 0 ? 0 : 1;
  } finally {
    interrupt.release();
  }
}
