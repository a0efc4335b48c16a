// The words of what keeps copies and what goes on with them: backup, restore, recovered.
import type { Command } from 'commander';
import { MAX_REASON_CHARS, MAX_SET_BY_CHARS } from '../core/controls.ts';
import { name } from './name.ts';

const STATUS = 'Status 0: done. 75: another process is at it. 1: failed. 130: interrupted.';
const AFTERWARDS = `All trading is halted then, and venue client ids start anew: router resume, when you have looked
at what was forgotten (docs/operations.md, Restore and recovery).`;

export function registerBackup(program: Command): void {
  const isVerbose = () => program.opts()['verbose'] === true;
  const backup = program
    .command('backup')
    .description(
      'copies of the database: daily dumps, base backups for a point in time, and proof that they are whole',
    );

  backup
    .command('dump')
    .description('dump the database into BACKUP_DIR, verified, and remove dumps older than BACKUP_KEEP_DAYS')
    .option('--if-due', 'only when the schedule has had a tick since it was last done', false)
    .option('--json', 'what was done as one JSON object', false)
    .addHelpText(
      'after',
      `\nExamples:\n  npx router backup dump\n  npx router backup dump --if-due      # from cron\n\n${STATUS} Quiet for cron, unless --verbose.\nThe login of BACKUP_DATABASE_URL reads, that of DATABASE_URL keeps the record.`,
    )
    .action(async (options) => {
      const { runDump } = await import('./backup.ts');
      process.exitCode = await runDump({ ...options, verbose: isVerbose() });
    });

  backup
    .command('base')
    .description(
      'copy the whole cluster into BACKUP_DIR/base, verified: with archived WAL, for recovery to a moment',
    )
    .option('--json', 'what was done as one JSON object', false)
    .addHelpText(
      'after',
      `\nExample:\n  npx router backup base --verbose\n\n${STATUS} Needs a login with REPLICATION (BACKUP_DATABASE_URL).`,
    )
    .action(async (options) => {
      const { runBase } = await import('./backup.ts');
      process.exitCode = await runBase({ ...options, ifDue: false, verbose: isVerbose() });
    });

  backup
    .command('list')
    .description('the dumps in BACKUP_DIR, the newest first')
    .option('--json', 'one JSON object per line', false)
    .addHelpText('after', '\nExample:\n  npx router backup list --json | head -1')
    .action(async ({ json }) => (await import('./backup.ts')).runListDumps(json));

  backup
    .command('verify')
    .description('whether a dump is what was written, and lists every table; restores nothing')
    .argument('[file]', 'a path, or a name in BACKUP_DIR (default: the newest)')
    .addHelpText('after', '\nExample:\n  npx router backup verify cryptopulse_20260304.backup')
    .action(async (file) => (await import('./backup.ts')).runVerify(file));

  backup
    .command('drill')
    .description(
      'restore a dump into a scratch database, compare every table with what was dumped, and drop it again',
    )
    .argument('[file]', 'a path, or a name in BACKUP_DIR (default: the newest)')
    .option('--into <url>', 'a server, by a login that may create databases (default: that of DATABASE_URL)')
    .option('--json', 'as one JSON object', false)
    .addHelpText(
      'after',
      '\nExample:\n  npx router backup drill --into postgresql://drill@spare/router\n\nStatus 0: equal. 1: not. 75: another drill is at it.\nA URL without a password takes it from PGPASSFILE: arguments can be read by every user of the machine.',
    )
    .action(async (file, options) => {
      process.exitCode = await (await import('./backup.ts')).runDrill(file, options);
    });

  program
    .command('restore')
    .description('restore a dump into a new database, halted; a database that has tables is never touched')
    .argument('<file>', 'a path, or a name in BACKUP_DIR')
    .option('--database <name>', 'the new database, on the server of DATABASE_URL', name(63))
    .option('--into <url>', 'or its URL, by a login that may create databases')
    .option('--reason <text>', 'why', name(MAX_REASON_CHARS - 200))
    .option('--by <name>', 'who (default: user@host)', name(MAX_SET_BY_CHARS))
    .addHelpText(
      'after',
      `\nExample:\n  npx router restore cryptopulse_20260304.backup --database restored\n\n${AFTERWARDS}`,
    )
    .action(async (file, options) => (await import('./restore.ts')).runRestore(file, options));

  program
    .command('recovered')
    .description(
      'what a database needs that was recovered to a moment, or promoted, before anybody trades with it',
    )
    .option('--nothing-lost', 'it was a synchronous standby: what had left was committed there, too', false)
    .option('--reason <text>', 'why', name(MAX_REASON_CHARS - 200))
    .option('--by <name>', 'who (default: user@host)', name(MAX_SET_BY_CHARS))
    .addHelpText(
      'after',
      `\nExample:\n  npx router recovered --reason "recovered to 10:30, disk failure"\n\nSafe to repeat. ${AFTERWARDS}`,
    )
    .action(async (options) => (await import('./restore.ts')).runRecovered(options));
}
