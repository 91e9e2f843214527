import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { DemoError, type DemoConnection } from './demo-connection';
import { createPhotoUploads, type DemoUploadSlot } from './demo-operations';

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
const maxConcurrentUploads = 4;

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
 * @throws DemoError if there are none; a file system error if it cannot be read
 */
export async function readFolder(folder: string, print: Print): Promise<PhotoFile[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && contentTypes.has(extname(entry.name).toLowerCase()))
    .map(({ name }) => name)
    .sort();
  if (names.length === 0) throw new DemoError(`There is no .jpg, .jpeg, .png, .webp or .avif in ${folder}.`);
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
 */
export async function uploadPhotos(
  connection: DemoConnection,
  files: readonly PhotoFile[],
  print: Print,
): Promise<string[]> {
  const { slots, accepted } = await createSlots(connection, files, print);
  const ids: (string | null)[] = [];
  for (let first = 0; first < accepted.length; first += maxConcurrentUploads) {
    const batch = accepted.slice(first, first + maxConcurrentUploads);
    const sent = batch.map((file, index) => send(connection, file, slots[first + index]!, print));
    ids.push(...(await Promise.all(sent)));
  }
  return ids.filter((id) => id !== null);
}

/** Creates upload slots, without those of files that are refused, for example for their size. */
async function createSlots(
  connection: DemoConnection,
  files: readonly PhotoFile[],
  print: Print,
): Promise<{ slots: DemoUploadSlot[]; accepted: readonly PhotoFile[] }> {
  const announced = files.map(({ bytes, ...file }) => ({ ...file, byteSize: bytes.length }));
  const { payload } = await connection.request(createPhotoUploads, { input: { files: announced } });
  payload.uploads.forEach(({ problems: [problem] }, index) => {
    if (problem) print(`  refused    ${files[index]!.filename}: ${problem.message}`);
  });
  const isAccepted = (index: number): boolean => payload.uploads[index]!.problems.length === 0;
  return {
    slots: payload.uploads.filter((_, index) => isAccepted(index)),
    accepted: files.filter((_, index) => isAccepted(index)),
  };
}

async function send(
  connection: DemoConnection,
  { filename, bytes }: PhotoFile,
  { photo, uploadUrl, headers }: DemoUploadSlot,
  print: Print,
): Promise<string | null> {
  const uploadHeaders = Object.fromEntries(headers.map(({ name, value }) => [name, value]));
  const problem = await connection.upload(uploadUrl, uploadHeaders, bytes);
  print(problem === null ? `  taken      ${filename}` : `  refused    ${filename}: ${problem}`);
  return problem === null ? photo.id : null;
}
