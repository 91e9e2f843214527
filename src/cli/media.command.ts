import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Config } from '../config';
import { eachOf } from '../core/iterators';
import { readConfig } from '../read-config';
import type { MediaStore } from '../storage/media-store';
import { nameOfStore, openMediaStore } from '../storage/open-store';
import { adoptStore, moveMarker } from '../storage/store-agreement';
import { copiesAtOnce, measure } from './backup-files';
import { jsonOf } from './printout';
import { ProgressBar } from './progress-bar';
import { CommandError, withDatabase, type Shell } from './shell';

const storeNames = ['disk', 's3'] as const;
type StoreName = (typeof storeNames)[number];

/**
 * Pictures in other sizes and formats are made again when they are requested. Uploaded files are checked in the store where
 * they are. With `--delete` they are deleted too, since nothing would delete them later.
 */
const skippedPrefixes = ['renditions/', 'uploads/'];

interface MoveOptions {
  readonly from: StoreName;
  readonly to: StoreName;
  readonly delete?: boolean;
  readonly json?: boolean;
}

/** `likeness media move`: copies the pictures from one store to the other. `likeness media adopt`: accepts a store as it is. */
export function mediaCommand(shell: Shell): Command {
  const media = new Command('media').description('the store of photos and pictures');
  const storeOption = (flags: string, description: string): Option =>
    new Option(flags, description).choices(storeNames).makeOptionMandatory();
  media
    .command('move')
    .description(
      'copy all photos and pictures to another store and verify them; it can be interrupted and repeated, and the gateway may run',
    )
    .addOption(
      storeOption('--from <store>', 'the store that has them: disk is DATA_DIR/media, s3 is S3_BUCKET'),
    )
    .addOption(storeOption('--to <store>', 'the store that gets them'))
    .option('--delete', 'delete what was verified from the first store; stop the gateway before')
    .option('--json', 'print JSON')
    .action(async (options: MoveOptions) => {
      const { copied, present } = await move(shell, options);
      const text = `${copied} copied, ${present} were there already; all are verified.`;
      shell.print(options.json ? jsonOf({ copied, present }) : text);
      if (!options.json && !options.delete) {
        shell.remark(
          `Stop the gateway, run this command again with --delete for what came in between, and start the gateway with the settings of ${options.to}.`,
        );
      }
    });
  media
    .command('adopt')
    .description(
      'make the store of the settings that of the database, without its former pictures; unknown pictures in it are deleted',
    )
    .option('--json', 'print JSON')
    .action(async ({ json = false }: { json?: boolean }) => {
      const name = await withDatabase(shell, async ({ database, config, dataDir }) => {
        await adoptStore(database, await openMediaStore(config, dataDir));
        return nameOfStore(config, dataDir);
      });
      shell.print(json ? jsonOf({ adopted: name }) : `${name} is the store of this database now.`);
    });
  return media;
}

async function move(shell: Shell, options: MoveOptions): Promise<{ copied: number; present: number }> {
  if (options.from === options.to) throw new CommandError('--from and --to name the same store.');
  const config = readConfig(shell.environment);
  const from = await storeOf(config, options.from);
  const to = await storeOf(config, options.to);
  const keys: string[] = [];
  const skipped: string[] = [];
  for await (const key of from.list('', 0))
    (skippedPrefixes.some((prefix) => key.startsWith(prefix)) ? skipped : keys).push(key);
  const counts = { copied: 0, present: 0 };
  const bar = new ProgressBar(shell, keys.length);
  try {
    await eachOf(keys, copiesAtOnce, async (key) => {
      const outcome = await copyVerified(from, to, key);
      if (outcome !== 'gone') counts[outcome] += 1;
      if (options.delete) await from.delete(key);
      bar.add(1, 'pictures');
    });
    if (options.delete) {
      await eachOf(skipped, copiesAtOnce, (key) => from.delete(key));
      await moveMarker(from, to);
    }
  } finally {
    bar.end();
  }
  return counts;
}

function storeOf(config: Config, name: StoreName): Promise<MediaStore> {
  if (name === 's3' && config.S3_BUCKET === undefined) {
    throw new CommandError('S3_BUCKET is not set: set it and the other S3 settings for this command.');
  }
  const settings = name === 's3' ? config : { ...config, S3_BUCKET: undefined };
  return openMediaStore(settings, resolve(config.DATA_DIR));
}

/**
 * Copies an object unless the store has it already.
 * @returns `gone` if it was deleted meanwhile
 * @throws CommandError if the copy differs
 */
async function copyVerified(
  from: MediaStore,
  to: MediaStore,
  key: string,
): Promise<'copied' | 'present' | 'gone'> {
  const expected = await hashIn(from, key);
  if (expected === null) return 'gone';
  if ((await hashIn(to, key)) === expected) return 'present';
  const source = await from.open(key);
  if (!source) return 'gone';
  await to.put(key, source.stream as AsyncIterable<Buffer>, source.byteSize);
  if ((await hashIn(to, key)) === expected) return 'copied';
  throw new CommandError(
    `The copy of ${key} differs from its original, which was kept. Run the command again.`,
  );
}

async function hashIn(store: MediaStore, key: string): Promise<string | null> {
  const object = await store.open(key);
  return object && (await measure(object.stream)).sha256;
}
