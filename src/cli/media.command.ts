import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import type { Config } from '../config';
import { SuspensionWatch } from '../core/clock';
import { failpoint } from '../core/failpoint';
import { eachOf } from '../core/iterators';
import type { Transactions } from '../core/sql';
import { readConfig } from '../read-config';
import { inStore, type MediaStore, type OpenObject, StorageUnavailableError } from '../storage/media-store';
import { nameOfStore, openMediaStore } from '../storage/open-store';
import { adoptStore, checkMove, moveMarker, type NamedStore } from '../storage/store-agreement';
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
        const name = nameOfStore(config, dataDir);
        await adoptStore(database, await openMediaStore(config, dataDir), name);
        return name;
      });
      shell.print(json ? jsonOf({ adopted: name }) : `${name} is the store of this database now.`);
    });
  return media;
}

/** How many pictures were copied, and how many the other store had already. */
interface MoveCounts {
  copied: number;
  present: number;
}

/** The keys in a store that is left. */
interface FoundKeys {
  readonly kept: string[];
  readonly skipped: string[];
}

async function move(shell: Shell, options: MoveOptions): Promise<MoveCounts> {
  if (options.from === options.to) throw new CommandError('--from and --to name the same store.');
  const config = readConfig(shell.environment);
  const from = await storeOf(config, options.from);
  const to = await storeOf(config, options.to);
  const found = await keysIn(from.store);
  const bar = new ProgressBar(shell, found.kept.length);
  const onMoved = (): void => bar.add(1, 'pictures');
  try {
    if (!options.delete) return await copyAll(from.store, to.store, found.kept, onMoved);
    return await withDatabase(shell, ({ database }) => moveAll(database, { from, to, found, onMoved }));
  } finally {
    bar.end();
  }
}

async function keysIn(store: MediaStore): Promise<FoundKeys> {
  const found: FoundKeys = { kept: [], skipped: [] };
  for await (const key of store.list('', 0))
    (skippedPrefixes.some((prefix) => key.startsWith(prefix)) ? found.skipped : found.kept).push(key);
  return found;
}

async function moveAll(
  database: Transactions,
  { from, to, found, onMoved }: { from: OpenedStore; to: OpenedStore; found: FoundKeys; onMoved: () => void },
): Promise<MoveCounts> {
  const { kept, skipped } = found;
  const watch = new SuspensionWatch(maxSuspensionMs);
  const remove = async (key: string): Promise<void> => {
    await failpoint('media:verified');
    if (watch.wasSuspended()) throw suspended();
    await from.store.delete(key);
  };
  try {
    // An earlier call may have moved all.
    if (kept.length + skipped.length > 0) await checkMove(database, from, to);
    const counts = await copyAll(from.store, to.store, kept, onMoved, remove);
    await eachOf(skipped, copiesAtOnce, remove);
    if (watch.wasSuspended()) throw suspended();
    await moveMarker(database, from.store, to.store);
    return counts;
  } finally {
    watch.stop();
  }
}

/** In a shorter time no other commands move the pictures and move them back. In milliseconds. */
const maxSuspensionMs = 5_000;

const suspended = (): CommandError =>
  new CommandError(
    'This command was suspended. Since pictures may have been moved back meanwhile, no further one was deleted. Run the command again.',
  );

/** @param onCopied - called AFTER the other store has the object */
async function copyAll(
  from: MediaStore,
  to: MediaStore,
  keys: readonly string[],
  onMoved: () => void,
  onCopied: (key: string) => Promise<void> = () => Promise.resolve(),
): Promise<MoveCounts> {
  const counts = { copied: 0, present: 0 };
  await eachOf(keys, copiesAtOnce, async (key) => {
    const outcome = await copyVerified(from, to, key);
    if (outcome !== 'gone') counts[outcome] += 1;
    await onCopied(key);
    onMoved();
  });
  return counts;
}

interface OpenedStore extends NamedStore {
  readonly store: MediaStore;
}

async function storeOf(config: Config, option: StoreName): Promise<OpenedStore> {
  if (option === 's3' && config.S3_BUCKET === undefined) {
    throw new CommandError('S3_BUCKET is not set: set it and the other S3 settings for this command.');
  }
  const settings = option === 's3' ? config : { ...config, S3_BUCKET: undefined };
  const dataDir = resolve(config.DATA_DIR);
  return { store: await openMediaStore(settings, dataDir), name: nameOfStore(settings, dataDir) };
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
  await to.put(key, readable(source), source.byteSize);
  if ((await hashIn(to, key)) === expected) return 'copied';
  throw new CommandError(
    `The copy of ${key} differs from its original, which was kept. Run the command again.`,
  );
}

async function hashIn(store: MediaStore, key: string): Promise<string | null> {
  const object = await store.open(key);
  return object && (await inStore(() => measure(object.stream))).sha256;
}

/** The bytes of an object; that they end early is an error of the store. */
async function* readable({ stream }: OpenObject): AsyncGenerator<Buffer> {
  try {
    yield* stream as AsyncIterable<Buffer>;
  } catch (error) {
    throw new StorageUnavailableError(error);
  }
}
