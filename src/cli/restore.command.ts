import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import type { Sql } from '../core/sql';
import { migrationNames } from '../database/data-source';
import { migrate } from '../database/migrate';
import { readConfig } from '../read-config';
import { openBucket } from '../storage/open-store';
import { pauseByOperator } from '../upstream/account-pause.repository';
import { resumeErasures } from './backup-erasures.repository';
import { dataFiles, isDiskFull, readLines, removeCopies, type DataFile } from './backup-files';
import { backupParts, readManifest, type Manifest } from './backup-manifest';
import { nameSome, PictureComparison } from './backup-pictures';
import { beginEpoch, holdPaidCalls, type HeldCalls } from './backup-restored.repository';
import {
  allowLongTransaction,
  deleteRows,
  findFilledTable,
  loadRows,
  lockTables,
  withoutTriggers,
} from './backup-tables.repository';
import { assertTotals, tablePath, verifyBackup } from './backup-verification';
import { copyFiles } from './backup.command';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { CommandError, withDatabase, type Shell } from './shell';

/** What a restore has changed of the rows of the backup. */
interface Changes extends HeldCalls {
  /** Erasures that workers continue. */
  readonly erasures: number;
  /** Global ids of avatars whose picture is not in the bucket, or has another size there. */
  readonly missing: readonly string[];
}

/** Rows that are inserted by one statement. */
const rowsAtOnce = 500;

interface RestoreOptions {
  moved?: boolean;
  json?: boolean;
}

/** `likeness restore <folder>`: fills an empty installation from a backup. */
export function restoreCommand(shell: Shell): Command {
  return new Command('restore')
    .description('restore a backup into an empty database and DATA_DIR; afterwards paid calls are paused')
    .argument('<folder>', 'the folder of the backup')
    .option(
      '--moved',
      'the original gateway was stopped before the backup and will not run again: continue all jobs',
    )
    .option('--json', 'print JSON')
    .action((folder: string, options: RestoreOptions) => restore(shell, resolve(folder), options));
}

async function restore(
  shell: Shell,
  folder: string,
  { moved = false, json = false }: RestoreOptions,
): Promise<void> {
  const manifest = await readManifest(folder);
  const unknown = manifest.migrations.filter((name) => !migrationNames.includes(name));
  if (unknown.length > 0) {
    throw new CommandError(
      'The backup was made by a newer version of Likeness. Restore it with that version.',
    );
  }
  const from = join(folder, backupParts.data);
  const files = await dataFiles(from, { isOwn: false });
  await verifyBackup(shell, folder, { manifest, files });
  await assertEmpty(join(resolve(readConfig(shell.environment).DATA_DIR), 'media'));
  const pictures = new PictureComparison();
  const held = await withDatabase(
    shell,
    async ({ database, dataDir, config }) => {
      // Files last, before the commit: a backup that cannot be restored leaves nothing behind.
      const result = await database.transaction(async (sql) => {
        await allowLongTransaction(sql);
        await assertUnused(sql, manifest);
        const held = await loadTables(shell, sql, folder, { manifest, moved, pictures });
        await restoreFiles(shell, files, { from, to: dataDir, manifest });
        return held;
      });
      const store = await openBucket(config);
      const missing = store ? await pictures.findDamagedIn(store, database) : [];
      return { ...result, missing };
    },
    (url) => migrate(url, manifest.migrations),
  );
  // Migrations that are newer than the backup. Accounts are paused already: here also those that are used later.
  const pause = (sql: Sql): Promise<unknown> => pauseByOperator(sql, { prefix: '', provider: null });
  await withDatabase(
    shell,
    ({ database }) => (moved ? Promise.resolve() : database.transaction(pause)),
    true,
  );
  report(shell, manifest, held, json);
}

/** Copies the files; if that fails, such as with a full disk, their copies are removed, so that the restore can be repeated. */
async function restoreFiles(
  shell: Shell,
  files: readonly DataFile[],
  { from, to, manifest }: { from: string; to: string; manifest: Manifest },
): Promise<void> {
  try {
    assertTotals(from, await copyFiles(shell, files, { from, to }), manifest);
  } catch (error) {
    await removeCopies(files, to);
    throw isDiskFull(error)
      ? new CommandError(`The disk of ${to} is full. Nothing was restored: free space, and restore again.`, {
          cause: error,
        })
      : error;
  }
}

async function assertEmpty(mediaFolder: string): Promise<void> {
  const names = await readdir(mediaFolder).catch(() => []);
  if (names.some((name) => !name.startsWith('.'))) {
    throw new CommandError(`${mediaFolder} is not empty. Restore into a new DATA_DIR.`);
  }
}

/** A gateway that was started once has written these; their rows are replaced. */
const writtenByStart: readonly string[] = ['upstream_accounts', 'learned_durations'];

async function assertUnused(sql: Sql, { tables }: Manifest): Promise<void> {
  const names = tables.map(({ name }) => name);
  // Another restore, or a gateway that is started meanwhile, waits.
  await lockTables(sql, names);
  const filled = await findFilledTable(
    sql,
    names.filter((name) => !writtenByStart.includes(name)),
  );
  if (filled === null) return;
  throw new CommandError(
    `The database is not empty: ${filled} has rows. Restore into a new database (DATABASE_URL, or DATA_DIR).`,
  );
}

async function loadTables(
  shell: Shell,
  sql: Sql,
  folder: string,
  { manifest, moved, pictures }: { manifest: Manifest; moved: boolean; pictures: PictureComparison },
): Promise<Omit<Changes, 'missing'>> {
  const bar = new ProgressBar(
    shell,
    manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
  );
  for (const { name, sha256 } of manifest.tables) {
    if (writtenByStart.includes(name)) await deleteRows(sql, name);
    await withoutTriggers(sql, name, async () => {
      for await (const lines of readLines(tablePath(folder, name), sha256, rowsAtOnce)) {
        await loadRows(sql, name, lines);
        if (name === 'avatars') pictures.add(lines);
        bar.add(lines.length, `table ${name}`);
      }
    });
  }
  bar.end();
  await beginEpoch(sql);
  const erasures = await resumeErasures(sql, manifest.erasures);
  return { erasures, ...(moved ? { uncertain: 0, pausedAccounts: 0 } : await holdPaidCalls(sql)) };
}

function report(shell: Shell, manifest: Manifest, held: Changes, json: boolean): void {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  if (json) {
    shell.print(jsonOf({ createdAt: manifest.createdAt, rows, files: manifest.media.files, ...held }));
    return;
  }
  shell.print(`Restored the backup of ${manifest.createdAt}: ${rows} rows, ${manifest.media.files} files.`);
  if (held.missing.length > 0)
    shell.remark(
      `${held.missing.length} pictures are not in the bucket, or have another size: ${nameSome(held.missing)}.`,
    );
  if (held.erasures > 0)
    shell.remark(`${held.erasures} erasures were not complete: the gateway continues them when it starts.`);
  if (held.uncertain + held.pausedAccounts === 0) return;
  shell.remark(
    `${held.uncertain} jobs that were QUEUED may have been paid since: see \`likeness uncertain list\`. ` +
      'Paid calls are paused until `likeness resume`.',
  );
}
