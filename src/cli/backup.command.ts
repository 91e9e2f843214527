import { join, resolve, sep } from 'node:path';
import { Command } from 'commander';
import { isDiskFull } from '../core/errors';
import { createFolder } from '../core/folders';
import type { Sql } from '../core/sql';
import { readConfig } from '../read-config';
import { openBucket } from '../storage/open-store';
import { LateErasures } from './backup-erasures';
import {
  copiedFolders,
  copyDataFiles,
  dataFiles,
  writeLines,
  type AssertAllowed,
  type CopiedFile,
  type DataFile,
} from './backup-files';
import {
  backupParts,
  createBackupFolder,
  releaseBackupFolder,
  writeManifest,
  type Manifest,
} from './backup-manifest';
import { nameSome, PictureComparison } from './backup-pictures';
import { findRevoked } from './backup-revocations.repository';
import {
  appliedMigrations,
  beginSnapshot,
  countTables,
  dumpTable,
  tablesInOrder,
} from './backup-tables.repository';
import { tablePath, writeFileList } from './backup-verification';
import { realPath } from './command-files';
import { inLongTransaction } from './long-transaction.repository';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { CommandError, withDatabase, type OperatorContext, type Shell } from './shell';

/** `likeness backup <folder>`: copies the database and the files, also of a running gateway. */
export function backupCommand(shell: Shell): Command {
  return new Command('backup')
    .description('copy the database, the pictures, the journal and the signing secret; the gateway may run')
    .argument('<folder>', 'a new folder')
    .option('--json', 'print JSON')
    .action(async (given: string, { json = false }: { json?: boolean }) => {
      const folder = resolve(given);
      await assertOutside(folder, resolve(readConfig(shell.environment).DATA_DIR));
      await createBackupFolder(folder);
      const made = await withDatabase(shell, (context) =>
        makeBackup(shell, folder, context).catch((error: unknown) => {
          throw isDiskFull(error) ? diskFull(folder, error) : error;
        }),
      ).catch(async (error: unknown) => {
        await releaseBackupFolder(folder);
        throw error;
      });
      const { tables, media, createdAt, damaged, bucket } = made;
      const rows = tables.reduce((sum, table) => sum + table.rows, 0);
      const text = `Backup of ${createdAt}: ${rows} rows, ${media.files} files (${(media.bytes / 1e6).toFixed(1)} MB) in ${folder}`;
      shell.print(json ? jsonOf({ folder, createdAt, rows, ...media, damaged, bucket }) : text);
      if (damaged === null) shell.remark(notCompared(bucket));
      else if (damaged.length > 0) shell.remark(describeDamaged(damaged, bucket));
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

/** A backup must not become a part of itself, and of the media, also by a symbolic link. */
async function assertOutside(folder: string, dataDir: string): Promise<void> {
  const target = `${await realPath(folder)}${sep}`;
  const parts = await Promise.all(copiedFolders.map((name) => realPath(join(dataDir, name))));
  const part = copiedFolders.find((_, index) => target.startsWith(`${parts[index]!}${sep}`));
  if (part !== undefined)
    throw new CommandError(
      `${folder} is in ${join(dataDir, part)}, which is copied. Name a folder elsewhere.`,
    );
}

/** A backup, and what its operator must know. */
interface MadeBackup extends Omit<Manifest, 'format'> {
  /** Global ids of avatars; null if the pictures could not be compared. */
  readonly damaged: readonly string[] | null;
  /** The bucket of the pictures, which is not part of it. */
  readonly bucket: string | undefined;
}

async function makeBackup(
  shell: Shell,
  folder: string,
  { database, dataDir, config }: OperatorContext,
): Promise<MadeBackup> {
  const pictures = new PictureComparison();
  const erasures = new LateErasures(database);
  const { dumped, copied } = await erasures.during(async () => {
    // One transaction: all tables are of the same moment.
    const dumped = await inLongTransaction(database, (sql) =>
      dumpTables(shell, sql, { folder, pictures, erasures }),
    );
    // After the tables: files are written before their rows, and never change.
    const files = await dataFiles(dataDir, { isOwn: true });
    const copied = await copyFiles(shell, files, {
      from: dataDir,
      to: join(folder, backupParts.data),
    });
    return { dumped, copied };
  });
  const media = await writeFileList(folder, copied);
  const since = new Date(dumped.createdAt);
  const revocations = await findRevoked(database, since);
  const facts = { ...dumped, media, erasures: await erasures.all(since), revocations };
  await writeManifest(folder, facts);
  // The backup is complete, whatever happens from here on.
  const damaged = await findDamaged(pictures, copied, { database, config }).catch(() => null);
  return { ...facts, damaged, bucket: config.S3_BUCKET };
}

async function findDamaged(
  pictures: PictureComparison,
  copied: readonly CopiedFile[],
  { database, config }: Pick<OperatorContext, 'database' | 'config'>,
): Promise<string[]> {
  const store = await openBucket(config);
  return store ? pictures.findDamagedIn(store, database) : pictures.findDamaged(database, copied);
}

const notCompared = (bucket: string | undefined): string =>
  `The backup is complete, but its pictures could not be compared${bucket === undefined ? '' : ` with the bucket ${bucket}`}. ` +
  'Run `likeness doctor`, which names the cause.';

const diskFull = (folder: string, cause: unknown): CommandError =>
  new CommandError(
    `The disk of ${folder} is full. The backup is incomplete: remove the folder, free space, and make another.`,
    { cause },
  );

function describeDamaged(ids: readonly string[], bucket: string | undefined): string {
  if (bucket !== undefined)
    return `${ids.length} pictures are missing in the bucket ${bucket}, or have another size: ${nameSome(ids)}.`;
  return (
    `${ids.length} pictures were missing or damaged before the backup, and are so in it: ${nameSome(ids)}. ` +
    'Keep an earlier backup that has them.'
  );
}

async function dumpTables(
  shell: Shell,
  sql: Sql,
  { folder, pictures, erasures }: { folder: string; pictures: PictureComparison; erasures: LateErasures },
): Promise<Omit<Manifest, 'format' | 'media' | 'erasures' | 'revocations'>> {
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
        if (name === 'avatars') pictures.add(lines);
        if (name === 'erasures') erasures.add(lines);
        yield lines;
      }
    };
    tables.push({ name, ...(await writeLines(tablePath(folder, name), counted())) });
  }
  bar.end();
  return { createdAt: createdAt.toISOString(), migrations: await appliedMigrations(sql), tables };
}

/** Copies files durably, with a progress bar. */
export async function copyFiles(
  shell: Shell,
  files: readonly DataFile[],
  { from, to }: { from: string; to: string },
  assertAllowed?: AssertAllowed,
): Promise<CopiedFile[]> {
  await createFolder(to);
  const bar = new ProgressBar(shell, files.length);
  const onCopied = (): void => bar.add(1, 'files');
  const copies = await copyDataFiles(files, { from, to }, { onCopied, assertAllowed });
  bar.end();
  return copies;
}
