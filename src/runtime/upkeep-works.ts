// What each maintenance task does and when, by the settings: the same for the scheduler, for commands and for cron.
import type { Schedules } from '../app/upkeep.ts';
import type { Config } from '../config.ts';
import type { UpkeepTask } from '../core/upkeep.ts';
import { archive } from '../store/archive.ts';
import type { Work } from '../store/maintenance.ts';
import { prune } from '../store/prune.ts';
import { analyze, vacuum } from '../store/vacuum.ts';

export function upkeepWorks(config: Config): Readonly<Partial<Record<UpkeepTask, Work>>> {
  return {
    // Beside traffic: nobody waits for it.
    archive: archive({ olderThanDays: config.ARCHIVE_AFTER_DAYS, isPaced: true }),
    vacuum: vacuum(config.VACUUM_TABLE_TIMEOUT_S),
    analyze: analyze(config.VACUUM_TABLE_TIMEOUT_S),
    prune: prune(config.RECORDS_KEEP_DAYS),
  };
}

export function upkeepSchedules(config: Config): Schedules {
  const works = upkeepWorks(config);
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
