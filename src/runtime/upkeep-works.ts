// What each maintenance task does and when, by the settings: the same for the scheduler, for commands and for cron.
import type { Schedules } from '../app/upkeep.ts';
import { dump } from '../backup/dump.ts';
import type { Config, Secrets } from '../config.ts';
import type { UpkeepTask } from '../core/upkeep.ts';
import { archive } from '../store/archive.ts';
import type { Work } from '../store/maintenance.ts';
import { prune } from '../store/prune.ts';
import { analyze, vacuum } from '../store/vacuum.ts';

export function upkeepWorks(config: Config, secrets: Secrets): Readonly<Partial<Record<UpkeepTask, Work>>> {
  const backup = backupWork(config, secrets);
  return {
    ...(backup && { backup }),
    // Beside traffic: nobody waits for it.
    archive: archive({ olderThanDays: config.ARCHIVE_AFTER_DAYS, isPaced: true }),
    vacuum: vacuum(config.VACUUM_TABLE_TIMEOUT_S),
    analyze: analyze(config.VACUUM_TABLE_TIMEOUT_S),
    prune: prune(config.RECORDS_KEEP_DAYS),
  };
}

/** undefined: there is no folder for dumps, or no database */
function backupWork(config: Config, { backupDatabaseUrl: url }: Secrets): Work | undefined {
  const { BACKUP_DIR: folder, BACKUP_KEEP_DAYS: keepDays, PG_BIN_DIR: binDir } = config;
  if (folder === undefined || url === undefined) return undefined;
  return dump({ url, folder, keepDays, binDir });
}

export function upkeepSchedules(config: Config, secrets: Secrets): Schedules {
  const works = upkeepWorks(config, secrets);
  const all = {
    backup: config.BACKUP_SCHEDULE,
    archive: config.ARCHIVE_SCHEDULE,
    vacuum: config.VACUUM_SCHEDULE,
    analyze: config.ANALYZE_SCHEDULE,
    prune: config.PRUNE_SCHEDULE,
  } satisfies Record<UpkeepTask, string | undefined>;
  const set = Object.entries(all).filter(([task, pattern]) => pattern !== undefined && task in works);
  return Object.fromEntries(set);
}
