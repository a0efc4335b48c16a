// `router archive`: moves what is old, or says what would move.
import { readConfig } from '../config.ts';
import { archive, previewArchive } from '../store/archive.ts';
import { requireSchema } from '../store/migrations.ts';
import { table } from './output.ts';
import { runUpkeepCommand, type UpkeepOptions } from './upkeep.ts';
import { withDatabase } from './with-database.ts';

export type ArchiveCommand = UpkeepOptions & {
  /** days; default: ARCHIVE_AFTER_DAYS */
  readonly olderThan?: number;
  readonly limit?: number;
  readonly fast: boolean;
  readonly dryRun: boolean;
};

/** @returns the exit code */
export async function runArchive({
  olderThan,
  limit,
  fast,
  dryRun,
  ...upkeep
}: ArchiveCommand): Promise<number> {
  if (dryRun) return preview(olderThan, upkeep.json);
  return runUpkeepCommand('archive', upkeep, (config, secrets) =>
    archive({
      olderThanDays: olderThan ?? config.ARCHIVE_AFTER_DAYS,
      limit,
      isPaced: !fast,
      url: secrets.databaseDirectUrl,
    }),
  );
}

/** No run of the task: it would count as done. */
async function preview(olderThan: number | undefined, json: boolean): Promise<number> {
  const days = olderThan ?? readConfig(process.env).config.ARCHIVE_AFTER_DAYS;
  await withDatabase(
    async ({ db }) => {
      await requireSchema(db);
      const { months, left } = await previewArchive(db, days);
      const orders = Object.values(months).reduce((sum, count) => sum + count, 0);
      if (json) {
        console.log(
          JSON.stringify({ task: 'archive', dry_run: true, older_than_days: days, orders, months, left }),
        );
        return;
      }
      console.log(`older than ${days} days: ${orders} orders would move`);
      const rows = Object.entries(months).map(([month, count]) => [month, String(count)]);
      if (rows.length > 0) console.log(table([['month', 'orders'], ...rows]));
      for (const [why, count] of Object.entries(left)) console.log(`${count} stay: ${WHY[why] ?? why}`);
    },
    { isDirect: true },
  );
  return 0;
}

const WHY: Readonly<Record<string, string>> = {
  active: 'not final',
  in_doubt: 'an incident about them is open, or a nonce may still reach the chain',
  changed_lately: 'changed within the last day',
};
