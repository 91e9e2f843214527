import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** An id that the upstream has answered, and for what. */
export interface JournalEntry {
  table: 'models' | 'generations';
  id: string;
  attempt: number;
  provider: string;
  ref: string;
  correlationId?: string;
}

/** A journal that holds nothing open is emptied once it is longer than this. */
const compactBytes = 1_000_000;

/** After a day without a line the machine that wrote it is taken for gone. */
const foreignStaleMs = 86_400_000;

/**
 * Paid ids on disk before anything else is done with them: one JSON line each, appended and synced, so that neither a
 * crash of this process nor of the database loses one. A line `{"settled": …}` says that the database has it too.
 *
 * Each process appends to a file of its own and, at its start, reads those of all that shared the folder. A torn last
 * line (the process died while writing) is passed over: its call was not answered for anybody who could act on it.
 */
export class Journal {
  private readonly open = new Map<string, JournalEntry>();
  private readonly path: string;
  private file: number | null = null;
  private size = 0;

  /** @param folder - below DATA_DIR; made when missing */
  constructor(private readonly folder: string) {
    this.path = join(folder, `submissions-${hostname()}-${process.pid}.ndjson`);
  }

  /** Ids that the database may not have yet: of this process and of those before it. */
  get unsettled(): readonly JournalEntry[] {
    return [...this.open.values()];
  }

  /**
   * Reads what earlier processes left, keeps what is not settled in a file of this process, and removes theirs.
   * A file of a process that still runs on this machine is left to it.
   */
  start(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const left = readdirSync(this.folder).filter((name) => isLeftBehind(name));
    for (const name of left) this.read(join(this.folder, name));
    const fresh = `${this.path}.new`;
    const file = openSync(fresh, 'a', 0o600);
    ftruncateSync(file, 0);
    for (const entry of this.open.values()) writeSync(file, `${JSON.stringify(entry)}\n`);
    fsyncSync(file);
    renameSync(fresh, this.path);
    this.syncFolder();
    this.file = file;
    for (const name of left) this.remove(name);
  }

  /** Returns once the entry would survive a power cut. Throws if the disk cannot take it. */
  append(entry: JournalEntry): void {
    this.open.set(keyOf(entry), entry);
    this.write(entry);
  }

  /** The database has it: it need not be replayed. */
  settle(entry: JournalEntry): void {
    if (!this.open.delete(keyOf(entry))) return;
    this.write({ settled: keyOf(entry) });
  }

  stop(): void {
    if (this.file === null) return;
    closeSync(this.file);
    this.file = null;
    if (this.open.size === 0) rmSync(this.path, { force: true });
  }

  private write(line: object): void {
    if (this.file === null) throw new Error('The journal is not open.');
    // The line break comes first too: after a torn line the next one must still stand alone.
    this.size += writeSync(this.file, `\n${JSON.stringify(line)}\n`);
    if (this.open.size === 0 && this.size > compactBytes) {
      ftruncateSync(this.file, 0);
      this.size = 0;
    }
    fsyncSync(this.file);
  }

  /** Another machine that shares the folder may still be writing to its file, so only a stale one of those goes. */
  private remove(name: string): void {
    const path = join(this.folder, name);
    const isForeign = !name.startsWith(`submissions-${hostname()}-`);
    if (path === this.path || (isForeign && Date.now() - statSync(path).mtimeMs < foreignStaleMs)) return;
    rmSync(path, { force: true });
  }

  private read(path: string): void {
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const entry = parsed(line);
      if (entry === null) continue;
      if ('settled' in entry) this.open.delete(entry.settled);
      else this.open.set(keyOf(entry), entry);
    }
  }

  private syncFolder(): void {
    const folder = openSync(this.folder, 'r');
    fsyncSync(folder);
    closeSync(folder);
  }
}

function keyOf({ table, id, attempt }: JournalEntry): string {
  return `${table}/${id}/${attempt}`;
}

function parsed(line: string): JournalEntry | { settled: string } | null {
  if (line.trim() === '') return null;
  try {
    return JSON.parse(line) as JournalEntry | { settled: string };
  } catch {
    return null;
  }
}

function isLeftBehind(name: string): boolean {
  const match = /^submissions-(.+)-(\d+)\.ndjson$/.exec(name);
  if (!match) return false;
  const pid = Number(match[2]);
  // In containers every process may be number 1: a file of our own number is from the one before us.
  if (match[1] !== hostname() || pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
