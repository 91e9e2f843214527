import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join } from 'node:path';

/** The encodings of precompressed files, the preferred one first, with the extensions of their files. */
export const encodings = { br: '.br', gzip: '.gz' } as const;

/** A name of {@link encodings}. */
export type Encoding = keyof typeof encodings;

/** A built file whose name contains a hash of its content. */
export interface StudioFile {
  readonly name: string;
  readonly contentType: string;
  readonly etag: string;
  readonly bytes: Buffer;
  /** Compressed copies; absent for formats that are compressed already. */
  readonly encoded: Readonly<Partial<Record<Encoding, Buffer>>>;
}

/** What `npm run build` wrote: the HTML page, and the files that it loads. */
export interface BuiltStudio {
  readonly page: string;
  readonly files: readonly StudioFile[];
}

/** The folder of hashed files, also the path under which they are served. */
export const filesFolder = 'studio';

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.webp': 'image/webp',
};

/**
 * Reads the built studio into memory.
 * @returns null if the folder has no page: it has not been built
 * @throws Error if a file has an unknown extension, since browsers do not load files without the right type
 */
export async function readBuiltStudio(folder: string): Promise<BuiltStudio | null> {
  const page = await readFile(join(folder, 'index.html'), 'utf8').catch(() => null);
  if (page === null) return null;
  const names = await readdir(join(folder, filesFolder));
  const isCopy = (name: string): boolean => Object.values(encodings).some((end) => name.endsWith(end));
  const files = names.filter((name) => !isCopy(name)).map((name) => readStudioFile(folder, name, names));
  return { page, files: await Promise.all(files) };
}

async function readStudioFile(folder: string, name: string, names: readonly string[]): Promise<StudioFile> {
  const contentType = contentTypes[extname(name)];
  if (contentType === undefined) throw new Error(`The studio has a file of unknown type: ${name}`);
  const read = (file: string): Promise<Buffer> => readFile(join(folder, filesFolder, file));
  const copies = Object.entries(encodings).filter(([, end]) => names.includes(name + end));
  const encoded = await Promise.all(
    copies.map(async ([encoding, end]) => [encoding, await read(name + end)]),
  );
  const bytes = await read(name);
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  return { name, contentType, etag, bytes, encoded: Object.fromEntries(encoded) as StudioFile['encoded'] };
}
