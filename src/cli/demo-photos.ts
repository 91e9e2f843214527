import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { LikenessClient } from '../client/client';
import { DemoError } from './demo-client';

/** Content types by file extension; the server checks the content. */
const contentTypes: ReadonlyMap<string, string> = new Map([
  ['.jpg', 'image/jpeg'],
  ['.jpeg', 'image/jpeg'],
  ['.png', 'image/png'],
  ['.webp', 'image/webp'],
  ['.avif', 'image/avif'],
  ['.heic', 'image/heic'],
]);

/** Maximum number of photos per training. */
const maxPhotos = 30;

/** A photo of the folder. */
export interface PhotoFile {
  filename: string;
  contentType: string;
  bytes: Buffer;
}

/** Prints a line of progress. */
type Print = (line: string) => void;

/**
 * Reads the photos of a folder, ordered by name.
 * @throws DemoError if there are none, or it is no folder that can be read
 */
export async function readFolder(folder: string, print: Print): Promise<PhotoFile[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((cause: unknown) => {
    const { code } = cause as NodeJS.ErrnoException;
    throw new DemoError(
      `"${folder}" is no folder that can be read (${code}). Name a folder with 5 to 30 photos.`,
    );
  });
  const names = entries
    .filter((entry) => !entry.isDirectory() && contentTypes.has(extname(entry.name).toLowerCase()))
    .map(({ name }) => name)
    .sort();
  if (names.length === 0)
    throw new DemoError(`There is no .jpg, .jpeg, .png, .webp, .avif or .heic in ${folder}.`);
  if (names.length > maxPhotos)
    print(`${folder} has ${names.length} photos; the first ${maxPhotos} are used.`);
  return Promise.all(
    names.slice(0, maxPhotos).map(async (filename) => ({
      filename,
      contentType: contentTypes.get(extname(filename).toLowerCase())!,
      bytes: await readFile(join(folder, filename)),
    })),
  );
}

/**
 * Uploads photos and prints the result of each.
 * @returns the ids of the accepted photos
 * @throws LikenessError if a photo could not be sent
 */
export async function uploadPhotos(
  client: LikenessClient,
  files: readonly PhotoFile[],
  print: Print,
): Promise<string[]> {
  const results = await client.upload(
    files.map(
      ({ filename, contentType, bytes }) =>
        new File([new Uint8Array(bytes)], filename, { type: contentType }),
    ),
    {
      onResult: ({ file, error }) =>
        print(error ? `  refused    ${file.name}: ${error.message}` : `  taken      ${file.name}`),
    },
  );
  const lost = results.find(({ error }) => error?.isTemporary);
  if (lost?.error) throw lost.error;
  return results.flatMap(({ photoId }) => photoId ?? []);
}
