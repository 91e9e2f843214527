/** What was dropped on the page. */
export interface DroppedFiles {
  /** Files, and the pictures in folders, by name. */
  readonly files: readonly File[];
  /** The names of folders without pictures. */
  readonly emptyFolders: readonly string[];
  /** Whether folders have more pictures or files than are read. */
  readonly isCutOff: boolean;
}

/** Of pictures that are taken from folders: more than any model is trained with. */
export const maxFolderPictures = 50;
/** Of files and folders in folders, at any depth, that are looked at. */
export const maxFolderEntries = 2_000;

const isPicture = (name: string): boolean => /^[^.].*\.(jpe?g|png|webp|avif|hei[cf])$/i.test(name);

const byName = new Intl.Collator(undefined, { numeric: true }).compare;

/** Reads what a drop brings, folders included. Must be called while the event is handled. */
export function readDroppedFiles({ items, files }: DataTransfer): Promise<DroppedFiles> {
  const dropped = [...items].filter(({ kind }) => kind === 'file');
  const entries = dropped.map((item) => item.webkitGetAsEntry());
  const folders = entries.filter(isFolder);
  if (folders.length === 0) return Promise.resolve({ files: [...files], emptyFolders: [], isCutOff: false });
  const single = dropped.flatMap((item, index) =>
    entries[index]?.isDirectory === true ? [] : (item.getAsFile() ?? []),
  );
  return new FolderReader(folders).read(single);
}

class FolderReader {
  private readonly pictures: File[] = [];
  private entryCount = 0;
  private isCutOff = false;

  constructor(private readonly folders: readonly FileSystemDirectoryEntry[]) {}

  async read(single: readonly File[]): Promise<DroppedFiles> {
    const emptyFolders: string[] = [];
    for (const folder of this.folders) {
      const before = this.pictures.length;
      await this.readFolder(folder);
      if (this.pictures.length === before && !this.isCutOff) emptyFolders.push(folder.name);
    }
    return { files: [...single, ...this.pictures], emptyFolders, isCutOff: this.isCutOff };
  }

  private async readFolder(folder: FileSystemDirectoryEntry): Promise<void> {
    const entries = await this.entriesOf(folder);
    entries.sort((one, other) => byName(one.name, other.name));
    for (const entry of entries.filter(isFile)) {
      if (!isPicture(entry.name)) continue;
      if (this.pictures.length >= maxFolderPictures) {
        this.isCutOff = true;
        return;
      }
      const file = await fileOf(entry);
      if (file) this.pictures.push(file);
    }
    for (const child of entries.filter(isFolder)) await this.readFolder(child);
  }

  /** A reader returns about a hundred entries at a time. */
  private async entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
    const reader = folder.createReader();
    const all: FileSystemEntry[] = [];
    for (;;) {
      if (this.entryCount >= maxFolderEntries) {
        this.isCutOff = true;
        return all;
      }
      const next = await nextEntries(reader);
      if (next.length === 0) return all;
      this.entryCount += next.length;
      all.push(...next);
    }
  }
}

const isFolder = (entry: FileSystemEntry | null): entry is FileSystemDirectoryEntry =>
  entry?.isDirectory === true;

const isFile = (entry: FileSystemEntry): entry is FileSystemFileEntry => entry.isFile;

/** Empty after the last one, and where the browser may not read. */
function nextEntries(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
}

/** Null if it cannot be read. */
function fileOf(entry: FileSystemFileEntry): Promise<File | null> {
  return new Promise((resolve) => entry.file(resolve, () => resolve(null)));
}
