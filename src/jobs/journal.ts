import { randomUUID } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  futimesSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../core/errors';
import { createFolderSync } from '../core/folders';
import { ForeignJournals } from './foreign-journals';
import { journalLines, keyOf, settledLine, type JournalEntry } from './journal-lines';

/** A journal without open entries is emptied immediately when it is longer than this. */
const compactBytes = 1_000_000;
/**
 * How long a settled entry may stay in a file, in milliseconds: it contains ids of a person who may request
 * erasure.
 */
const maxSettledMs = 3_600_000;
/** How often a process renews the lock on its file, in milliseconds. */
const renewMs = 2_000;
/** The space for an entry and the line that marks it as settled, in bytes. */
const bytesPerCall = 1_024;

/** Options of {@link Journal}. */
export interface JournalOptions {
  /** How long another process's file must be unchanged before it is adopted, in milliseconds. */
  orphanedMs?: number;
  /**
   * How many paid calls {@link Journal.reserve} provides for at a time.
   * @defaultValue 32
   */
  maxCalls?: number;
}

/**
 * Stores the ids of paid jobs on disk before anything else is done with them: one JSON line each, appended and
 * synced, so that neither a crash of this process nor of the database loses one. A line `{"settled": …}` marks an
 * entry that the database has stored. An incomplete last line (the process died while writing) is ignored: no
 * process has acted on that answer.
 *
 * A paid call is made only while the file has space for its id, which is written in place of spaces ({@link Journal.reserve}):
 * a disk that fills up during the call does not prevent it, except on file systems that copy what is overwritten (btrfs, ZFS).
 *
 * Each process appends to its own file with a random name, so that processes never share a file, even with equal
 * host names and process ids. The file's modification time is its lock: the process renews it every 2 s, and the
 * file is orphaned when another process has seen it unchanged for 10 s by its own clock. That requires no common
 * clock, host or process id, and works with containers and network file systems.
 *
 * At startup the files of all processes are read and left in place: storing an id in the database twice is
 * harmless. Orphaned files are adopted later. Because a suspended process cannot renew its lock, a writer checks
 * that its file exists after each write, also of a new file, and an adopter renames a file before reading it: either the adopter reads
 * the line, or the writer finds its file missing and writes all open entries to a new one.
 */
export class Journal {
  private readonly open = new Map<string, JournalEntry>();
  private readonly foreign: ForeignJournals;
  /** Keys of open entries that other processes wrote. */
  private readonly foreignOpen = new Set<string>();
  /** Keys of foreign entries that have been settled: their file is read a second time when it is orphaned. */
  private readonly foreignSettled = new Set<string>();
  private path = '';
  private file: number | null = null;
  /** Where the next line is written, and the end of the spaces that follow, in bytes. */
  private size = 0;
  private end = 0;
  /** When the file's first line was written, by the monotonic clock in milliseconds; null if it is empty. */
  private writtenSinceMs: number | null = null;
  /** Whether a write failed, so that entries may be missing from the file. */
  private isIncomplete = false;
  private readonly reservedBytes: number;
  private renewals: NodeJS.Timeout | null = null;
  private renewedMs = 0;

  /**
   * @param folder - below DATA_DIR; created if missing
   */
  constructor(
    private readonly folder: string,
    { orphanedMs, maxCalls = 32 }: JournalOptions = {},
  ) {
    this.foreign = new ForeignJournals(folder, orphanedMs);
    this.reservedBytes = maxCalls * bytesPerCall;
  }

  /** Entries that the database may not have yet, of this process and of others. */
  get unsettled(): readonly JournalEntry[] {
    return [...this.open.values()];
  }

  /** Reads the files of other processes and creates a file with all unsettled entries. */
  start(): void {
    createFolderSync(this.folder);
    for (const path of this.foreign.list(this.path)) this.read(path);
    this.create();
    this.renewals = setInterval(() => this.renew(), renewMs).unref();
  }

  /**
   * Adopts orphaned files. Called periodically.
   * @throws if the disk cannot store their entries; nothing is lost, and the next call tries again
   */
  adopt(): void {
    if (this.file === null) return;
    const adopted = this.foreign.adopt(this.path);
    for (const path of adopted) this.read(path);
    if (adopted.length > 0 && this.open.size > 0) this.replace();
    for (const path of adopted) rmSync(path, { force: true });
  }

  /**
   * Makes sure that the ids of `maxCalls` paid calls can be stored. Call it BEFORE each one.
   * @throws if the disk has no space for them, or the file cannot be written; the call must not be made then
   */
  reserve(): void {
    if (this.file === null) throw new Error('The journal is not open.');
    this.retryWrites();
    if (!existsSync(this.path)) this.replace();
    if (this.end - this.size >= this.reservedBytes) return;
    const end = this.size + 2 * this.reservedBytes;
    writeAll(this.file, Buffer.alloc(end - this.end, ' '), this.end);
    fsyncSync(this.file);
    this.end = end;
  }

  /** Whether {@link reserve} succeeds. */
  get isWritable(): boolean {
    try {
      this.reserve();
      return true;
    } catch {
      return false;
    }
  }

  /** Returns when the entry is synced to disk. Throws if it cannot be written. */
  append(entry: JournalEntry): void {
    this.open.set(keyOf(entry), entry);
    this.write(entry);
  }

  /**
   * Marks an entry as stored in the database, so that it is not replayed. Throws if this cannot be written; the
   * entry then stays unsettled, which blocks new paid calls until the journal can be written again.
   */
  settle(entry: JournalEntry): void {
    const key = keyOf(entry);
    if (!this.open.has(key)) return;
    this.write(settledLine(entry));
    this.open.delete(key);
    if (this.foreignOpen.delete(key)) this.foreignSettled.add(key);
    this.compact();
  }

  /**
   * Renews the lock on the file, and removes entries that have been settled for an hour. A failed renewal loses no
   * entry: see {@link Journal}.
   */
  renew(): void {
    if (this.file === null) return;
    this.dropSettled();
    // Strictly increasing, so that each renewal changes the modification time.
    this.renewedMs = Math.max(Date.now(), this.renewedMs + 1);
    try {
      futimesSync(this.file, this.renewedMs / 1_000, this.renewedMs / 1_000);
    } catch {
      // A full or read-only disk. If another process adopts the file, this one notices at its next write.
    }
  }

  /**
   * Writes entries that could not be written when they were appended. Called periodically.
   * @throws if they still cannot be written
   */
  retryWrites(): void {
    if (this.file === null || !this.isIncomplete) return;
    this.replace();
    this.isIncomplete = false;
  }

  /** @throws if entries could not be written, and still cannot be */
  stop(): void {
    clearInterval(this.renewals ?? undefined);
    if (this.file === null) return;
    this.retryWrites();
    closeSync(this.file);
    this.file = null;
    if (this.open.size === 0) rmSync(this.path, { force: true });
  }

  private write(line: object): void {
    if (this.file === null) throw new Error('The journal is not open.');
    // Starts with a line break too, so that an incomplete last line does not corrupt this one.
    const bytes = Buffer.from(`\n${JSON.stringify(line)}\n`);
    this.writtenSinceMs ??= performance.now();
    const lacksOthers = this.isIncomplete;
    this.isIncomplete = true;
    writeAll(this.file, bytes, this.size);
    this.size += bytes.length;
    this.end = Math.max(this.end, this.size);
    fsyncSync(this.file);
    if (existsSync(this.path)) {
      this.isIncomplete = lacksOthers;
    } else {
      this.replace();
      this.isIncomplete = false;
    }
  }

  private compact(): void {
    if (this.open.size === 0 && this.size > compactBytes) this.empty();
  }

  private dropSettled(): void {
    if (this.writtenSinceMs === null || performance.now() - this.writtenSinceMs < maxSettledMs) return;
    try {
      if (this.open.size === 0) this.empty();
      else this.replace();
    } catch {
      // A full or read-only disk: tried again at the next renewal.
    }
  }

  private empty(): void {
    if (this.file === null) return;
    const isReserved = this.end > this.size;
    ftruncateSync(this.file, 0);
    this.size = 0;
    this.end = 0;
    this.writtenSinceMs = null;
    // For calls in flight.
    if (isReserved) this.reserve();
  }

  /** Creates a file with all unsettled entries. */
  private create(): void {
    const path = join(this.folder, `submissions.${randomUUID()}.ndjson`);
    const file = openSync(path, 'wx', 0o600);
    const bytes = Buffer.from([...this.open.values()].map((entry) => `${JSON.stringify(entry)}\n`).join(''));
    try {
      writeAll(file, bytes, 0);
      fsyncSync(file);
      syncFolder(this.folder);
    } catch (error) {
      closeSync(file);
      rmSync(path, { force: true });
      throw error;
    }
    if (!existsSync(path)) {
      // While this process was suspended, another one adopted the file, maybe before it contained the entries.
      closeSync(file);
      this.create();
      return;
    }
    this.path = path;
    this.file = file;
    this.size = bytes.length;
    this.end = this.size;
    this.writtenSinceMs = this.open.size > 0 ? performance.now() : null;
  }

  private replace(): void {
    const [before, file] = [this.path, this.file!];
    this.create();
    closeSync(file);
    rmSync(before, { force: true });
  }

  private read(path: string): void {
    for (const line of journalLines(textOf(path))) {
      if ('settled' in line) this.open.delete(line.settled);
      else this.addForeign(line.entry);
    }
  }

  private addForeign(entry: JournalEntry): void {
    const key = keyOf(entry);
    if (this.foreignSettled.has(key)) return;
    this.open.set(key, entry);
    this.foreignOpen.add(key);
  }
}

/** Writes everything or throws; a single `writeSync` may write a part on a full disk. */
function writeAll(file: number, bytes: Buffer, position: number): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, position + at);
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** Empty if another starting process has adopted the file and removed it. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}
