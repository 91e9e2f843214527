import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import type { Sql } from '../core/sql';
import { migrationNames } from '../database/data-source';
import { migrate } from '../database/migrate';
import { readConfig } from '../read-config';
import { pauseByOperator } from '../upstream/account-pause.repository';
import {
  copyDataFiles,
  dataFiles,
  readLines,
  totalOf,
  writeLines,
  type DataFile,
  type FileTotal,
} from './backup-files';
import {
  backupParts,
  createBackupFolder,
  readManifest,
  writeManifest,
  type Manifest,
} from './backup-manifest';
import { beginEpoch, holdPaidCalls, type HeldCalls } from './backup-restored.repository';
import {
  allowLongTransaction,
  appliedMigrations,
  beginSnapshot,
  countTables,
  deleteRows,
  dumpTable,
  findFilledTable,
  loadRows,
  tablesInOrder,
  withoutTriggers,
} from './backup-tables.repository';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { CommandError, withDatabase, type Shell } from './shell';

/** Rows that are inserted by one statement. */
const rowsAtOnce = 500;

/** `likeness backup <folder>`: copies the database and the files, also of a running gateway. */
export function backupCommand(shell: Shell): Command {
  return new Command('backup')
    .description('copy the database, the pictures, the journal and the signing secret; the gateway may run')
    .argument('<folder>', 'a new folder')
    .option('--json', 'print JSON')
    .action(async (given: string, { json = false }: { json?: boolean }) => {
      const folder = resolve(given);
      await createBackupFolder(folder);
      const { tables, media, createdAt, bucket } = await withDatabase(
        shell,
        async ({ database, dataDir, config }) => {
          // One transaction: all tables are of the same moment.
          const dumped = await database.transaction((sql) => dumpTables(shell, sql, folder));
          // After the tables: files are written before their rows, and never change.
          const files = await dataFiles(dataDir, { isOwn: true });
          const copied = await copyFiles(shell, files, {
            from: dataDir,
            to: join(folder, backupParts.data),
          });
          const facts = { ...dumped, media: copied };
          await writeManifest(folder, facts);
          return { ...facts, bucket: config.S3_BUCKET };
        },
      );
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      const text = `Backup of ${createdAt}: ${rows} rows, ${media.files} files (${(media.bytes / 1e6).toFixed(1)} MB) in ${folder}`;
      shell.print(json ? jsonOf({ folder, createdAt, rows, ...media }) : text);
      if (bucket !== undefined)
        shell.remark(
          `The pictures are in the bucket ${bucket}, which is not part of the backup: copy it with its own tools.`,
        );
      if (!json)
        shell.remark(
          'It contains photos, pictures and secrets: protect it, and delete it when it is no longer needed.',
        );
    });
}

async function dumpTables(
  shell: Shell,
  sql: Sql,
  folder: string,
): Promise<Omit<Manifest, 'format' | 'media'>> {
  const createdAt = await beginSnapshot(sql);
  const names = await tablesInOrder(sql);
  const counts = await countTables(sql, names);
  const bar = new ProgressBar(
    shell,
    [...counts.values()].reduce((sum, count) => sum + count, 0),
  );
  const tables: Manifest['tables'] = [];
  for (const name of names) {
    const counted = async function* (): AsyncGenerator<string[]> {
      for await (const lines of dumpTable(sql, name)) {
        bar.add(lines.length, `table ${name}`);
        yield lines;
      }
    };
    tables.push({ name, ...(await writeLines(tablePath(folder, name), counted())) });
  }
  bar.end();
  return { createdAt: createdAt.toISOString(), migrations: await appliedMigrations(sql), tables };
}

async function copyFiles(
  shell: Shell,
  files: readonly DataFile[],
  { from, to }: { from: string; to: string },
): Promise<FileTotal> {
  await mkdir(to, { recursive: true, mode: 0o700 });
  const bar = new ProgressBar(shell, files.length);
  const total = await copyDataFiles(files, { from, to }, () => bar.add(1, 'files'));
  bar.end();
  return total;
}

const tablePath = (folder: string, name: string): string =>
  join(folder, backupParts.tables, `${name}.jsonl.gz`);

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
  assertComplete(from, totalOf(files), manifest);
  await assertEmpty(join(resolve(readConfig(shell.environment).DATA_DIR), 'media'));
  const held = await withDatabase(
    shell,
    async ({ database, dataDir, config }) => {
      await assertUnused(database, manifest);
      // Files last, before the commit: a backup that cannot be restored leaves nothing behind.
      const result = await database.transaction(async (sql) => {
        const held = await loadTables(shell, sql, folder, { manifest, moved });
        assertComplete(from, await copyFiles(shell, files, { from, to: dataDir }), manifest);
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

function assertComplete(from: string, found: FileTotal, { media }: Manifest): void {
  if (found.files === media.files && found.bytes === media.bytes) return;
  throw new CommandError(
    `${from} was changed since the backup, or is incomplete: it has ${found.files} files with ${found.bytes} bytes ` +
      `instead of ${media.files} with ${media.bytes}. Copy the whole backup again.`,
  );
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
