import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { codeOf } from '../core/errors';
import type { Sql } from '../core/sql';
import { migrationNames } from '../database/data-source';
import { migrate } from '../database/migrate';
import { readConfig } from '../read-config';
import { pauseByOperator } from '../upstream/account-pause.repository';
import { dataFiles, readLines, removeCopies, type DataFile } from './backup-files';
import { backupParts, readManifest, type Manifest } from './backup-manifest';
import { beginEpoch, holdPaidCalls, type HeldCalls } from './backup-restored.repository';
import {
  allowLongTransaction,
  deleteRows,
  findFilledTable,
  loadRows,
  withoutTriggers,
} from './backup-tables.repository';
import { assertTotals, tablePath, verifyBackup } from './backup-verification';
import { copyFiles } from './backup.command';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { CommandError, withDatabase, type Shell } from './shell';

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
  const held = await withDatabase(
    shell,
    async ({ database, dataDir, config }) => {
      await assertUnused(database, manifest);
      // Files last, before the commit: a backup that cannot be restored leaves nothing behind.
      const result = await database.transaction(async (sql) => {
        const held = await loadTables(shell, sql, folder, { manifest, moved });
        await restoreFiles(shell, files, { from, to: dataDir, manifest });
        return held;
      });
      return { result, url: config.DATABASE_URL };
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
  report(shell, manifest, held.result, json);
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
    throw codeOf(error) === 'ENOSPC'
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
  const names = tables.map(({ name }) => name).filter((name) => !writtenByStart.includes(name));
  const filled = await findFilledTable(sql, names);
  if (filled === null) return;
  throw new CommandError(
    `The database is not empty: ${filled} has rows. Restore into a new database (DATABASE_URL, or DATA_DIR).`,
  );
}

async function loadTables(
  shell: Shell,
  sql: Sql,
  folder: string,
  { manifest, moved }: { manifest: Manifest; moved: boolean },
): Promise<HeldCalls> {
  await allowLongTransaction(sql);
  const bar = new ProgressBar(
    shell,
    manifest.tables.reduce((sum, { rows }) => sum + rows, 0),
  );
  for (const { name, sha256 } of manifest.tables) {
    if (writtenByStart.includes(name)) await deleteRows(sql, name);
    await withoutTriggers(sql, name, async () => {
      for await (const lines of readLines(tablePath(folder, name), sha256, rowsAtOnce)) {
        await loadRows(sql, name, lines);
        bar.add(lines.length, `table ${name}`);
      }
    });
  }
  bar.end();
  await beginEpoch(sql);
  return moved ? { uncertain: 0, pausedAccounts: 0 } : holdPaidCalls(sql);
}

function report(shell: Shell, manifest: Manifest, held: HeldCalls, json: boolean): void {
  const rows = manifest.tables.reduce((sum, table) => sum + table.rows, 0);
  if (json) {
    shell.print(jsonOf({ createdAt: manifest.createdAt, rows, files: manifest.media.files, ...held }));
    return;
  }
  shell.print(`Restored the backup of ${manifest.createdAt}: ${rows} rows, ${manifest.media.files} files.`);
  if (held.uncertain + held.pausedAccounts === 0) return;
  shell.remark(
    `${held.uncertain} jobs that were QUEUED may have been paid since: see \`likeness uncertain list\`. ` +
      'Paid calls are paused until `likeness resume`.',
  );
}
