import { readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { isDiskFull } from '../core/errors';
import { isOfFileSystem } from '../core/folders';
import type { Sql } from '../core/sql';
import { migrationNames } from '../database/data-source';
import { migrate } from '../database/migrate';
import { readConfig } from '../read-config';
import { prepareDataDirectory } from '../storage/data-directory';
import { nameOfStore, openBucket } from '../storage/open-store';
import { adoptStore } from '../storage/store-agreement';
import { resumeErasures } from './backup-erasures.repository';
import { dataFiles, readLines, removeCopies, type AssertAllowed, type DataFile } from './backup-files';
import { backupParts, readManifest, type Manifest } from './backup-manifest';
import { nameSome, PictureComparison } from './backup-pictures';
import {
  beginEpoch,
  describeTransaction,
  findOutcome,
  holdPaidCalls,
  type HeldCalls,
} from './backup-restored.repository';
import { revokeAgain } from './backup-revocations.repository';
import {
  appliedMigrations,
  deleteRows,
  findFilledTable,
  loadRows,
  lockTables,
  withoutTriggers,
} from './backup-tables.repository';
import { assertTotals, tablePath, verifyBackup } from './backup-verification';
import { copyFiles } from './backup.command';
import { inLongTransaction } from './long-transaction.repository';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { readMarker, removeMarker, writeMarker, type RestoreMarker } from './restore-marker';
import { CommandError, withDatabase, type Shell } from './shell';

/** What a restore has changed of the rows of the backup. */
interface Changes extends HeldCalls {
  /** Erasures that workers continue. */
  readonly erasures: number;
  /** Global ids of avatars whose picture is not in the bucket, or has another size there. */
  readonly missing: readonly string[];
  /** How many pictures in the bucket the backup does not have. */
  readonly unknown: number;
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
  const dataDir = resolve(readConfig(shell.environment).DATA_DIR);
  const earlier = await readMarker(dataDir);
  if (earlier === null) await assertEmpty(dataDir);
  await prepareDataDirectory(dataDir);
  const pictures = new PictureComparison();
  const held = await withDatabase(
    shell,
    async ({ database, config, dataDir }) => {
      // Files last, before the commit: a backup that cannot be restored leaves nothing behind.
      const result = await inLongTransaction(database, async (sql, assertHeld) => {
        const target = { to: dataDir, assertHeld };
        if (await isComplete(sql, manifest, { ...target, earlier })) return null;
        const held = await loadTables(shell, sql, folder, { manifest, moved, pictures });
        await restoreFiles(shell, sql, files, { ...target, from, manifest });
        return held;
      });
      await removeMarker(dataDir);
      if (result === null) return null;
      const store = await openBucket(config);
      const missing = store ? await pictures.findDamagedIn(store, database) : [];
      return { ...result, missing, unknown: pictures.unknownCount };
    },
    (url, engine) => migrate(url, manifest.migrations, engine),
  );
  // Migrations that are newer than the backup.
  await withDatabase(
    shell,
    async ({ database, config }) => {
      // A copy of the bucket has the id of the original database.
      const store = await openBucket(config);
      if (store) await adoptStore(database, store, nameOfStore(config, dataDir));
    },
    true,
  );
  report(shell, manifest, held, json);
}

/** Where files are written while the locks of the transaction are held. */
interface Target {
  readonly to: string;
  readonly assertHeld: AssertAllowed;
}

/**
 * Locks the tables, and checks that they and DATA_DIR are empty. Files of an earlier restore that failed are removed before.
 * @returns true if an earlier restore into this database and DATA_DIR is complete: it was interrupted after the commit
 */
async function isComplete(
  sql: Sql,
  manifest: Manifest,
  { earlier, to: dataDir, assertHeld }: Target & { earlier: RestoreMarker | null },
): Promise<boolean> {
  // Another restore, or a gateway that is started meanwhile, waits.
  await lockTables(
    sql,
    manifest.tables.map(({ name }) => name),
  );
  const outcome = earlier && (await findOutcome(sql, earlier));
  if (outcome === 'COMPLETE') return true;
  if (outcome === 'ELSEWHERE') {
    throw new CommandError(
      `${dataDir} has files of a restore into another database. Restore into a new DATA_DIR and a new database.`,
    );
  }
  await assertMigrations(sql, manifest);
  await assertUnused(sql, manifest);
  if (earlier !== null) {
    await removeCopies(earlier.paths, dataDir, assertHeld);
    await removeMarker(dataDir);
  }
  await assertEmpty(dataDir);
  return false;
}

/**
 * Copies the files; if that fails, such as with a full disk, their copies are removed, so that the restore can be repeated. After
 * a suspension they are left as they are: another restore may have written them since.
 */
async function restoreFiles(
  shell: Shell,
  sql: Sql,
  files: readonly DataFile[],
  { from, to, manifest, assertHeld }: Target & { from: string; manifest: Manifest },
): Promise<void> {
  const paths = files.map(({ path }) => path);
  const marker = { ...(await describeTransaction(sql)), paths };
  const describe = (error: unknown): unknown =>
    isDiskFull(error)
      ? new CommandError(`The disk of ${to} is full. Nothing was restored: free space, and restore again.`, {
          cause: error,
        })
      : error;
  await writeMarker(to, marker).catch((error: unknown) => {
    throw describe(error);
  });
  try {
    assertTotals(from, await copyFiles(shell, files, { from, to }, assertHeld), manifest);
  } catch (error) {
    await removeCopies(paths, to, assertHeld);
    await removeMarker(to);
    throw describe(error);
  }
}

/** A journal that is not empty has ids of paid calls that another database may not have yet. */
async function assertEmpty(dataDir: string): Promise<void> {
  const namesIn = async (folder: string): Promise<string[]> =>
    (await readdir(join(dataDir, folder)).catch(() => [])).filter((name) => !isOfFileSystem(name));
  const refuse = (folder: string): CommandError =>
    new CommandError(`${join(dataDir, folder)} is not empty. Restore into a new DATA_DIR.`);
  const media = await namesIn('media');
  if (media.some((name) => !name.startsWith('.'))) throw refuse('media');
  for (const name of await namesIn('journal')) {
    // Spaces are reserved for ids.
    const text = await readFile(join(dataDir, 'journal', name), 'utf8');
    if (text.trim() !== '') throw refuse('journal');
  }
}

/** In a database with newer migrations, the rows would lack what these migrations add to rows. */
async function assertMigrations(sql: Sql, { migrations }: Manifest): Promise<void> {
  const newer = (await appliedMigrations(sql)).filter((name) => !migrations.includes(name));
  if (newer.length === 0) return;
  throw new CommandError(
    `The database has ${newer.length} migrations that the backup does not have. Restore into a new database (DATABASE_URL, or DATA_DIR).`,
  );
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
  { manifest, moved, pictures }: { manifest: Manifest; moved: boolean; pictures: PictureComparison },
): Promise<Omit<Changes, 'missing' | 'unknown'>> {
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
  await revokeAgain(sql, manifest.revocations);
  return { erasures, ...(moved ? { uncertain: 0, pausedAccounts: 0 } : await holdPaidCalls(sql)) };
}

function report(shell: Shell, manifest: Manifest, held: Changes | null, json: boolean): void {
  if (held === null) {
    const text = 'An interrupted restore into this database and DATA_DIR was complete: nothing was changed.';
    shell.print(json ? jsonOf({ wasComplete: true }) : text);
    return;
  }
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
  if (held.unknown > 0)
    shell.remark(
      `${held.unknown} pictures in the bucket are not in the backup, and the restored gateway deletes those that are older ` +
        'than an hour. If another gateway uses this bucket, do not start this one: run `likeness media adopt` with the ' +
        'settings of the other one, and restore with a copy of the bucket.',
    );
  if (held.erasures > 0)
    shell.remark(`${held.erasures} erasures were not complete: the gateway continues them when it starts.`);
  if (held.uncertain + held.pausedAccounts === 0) return;
  shell.remark(
    `${held.uncertain} jobs that were QUEUED may have been paid since: see \`likeness uncertain list\`. ` +
      'Paid calls are paused until `likeness resume`.',
  );
}
