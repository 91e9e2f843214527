import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';

const journalEntry = z.object({
  table: z.enum(['models', 'generations']),
  id: z.string(),
  attempt: z.number(),
  provider: z.string(),
  ref: z.string(),
  correlationId: z.string().optional(),
  creditsAvailable: z.number().optional(),
});

/** An id that the upstream has answered, and for what. */
export type JournalEntry = z.infer<typeof journalEntry>;

const journalLine = z.union([journalEntry, z.object({ settled: z.string() })]);

/** A journal that holds nothing open is emptied once it is longer than this. */
const compactBytes = 1_000_000;

/** After a day without a line whoever wrote it is taken for gone. */
const staleMs = 86_400_000;

/**
 * Paid ids on disk before anything else is done with them: one JSON line each, appended and synced, so that neither a
 * crash of this process nor of the database loses one. A line `{"settled": …}` says that the database has it too.
 *
 * Each process appends to a file of its own, reads those of all that shared the folder at its start, and takes over
 * those of processes that die later. A torn last line (the process died while writing) is passed over: its call was
 * not answered for anybody who could act on it.
 *
 * Files of processes that are, or may be, alive are read too and left where they are: after a restart of the machine
 * another program may have the number of the gateway that died, and an id that is brought into the database twice does
 * no harm.
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
   * Reads what other processes have written, keeps what is not settled in a file of this process, and removes the
   * files of those that are dead.
   */
  start(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const names = readdirSync(this.folder).filter((name) => fileName.test(name));
    for (const name of names) this.read(join(this.folder, name));
    this.file = this.create();
    for (const name of names) this.remove(name);
  }

  /**
   * Takes over what processes that have died since left open, so that nobody has to be started for their sake. Throws
   * if the disk cannot take it; then their files stay.
   */
  adopt(): void {
    const names = readdirSync(this.folder).filter((name) => fileName.test(name) && isOfTheDead(name));
    if (this.file === null || names.length === 0) return;
    for (const name of names) this.read(join(this.folder, name));
    this.replace(this.file);
    for (const name of names) this.remove(name);
  }

  /** Returns once the entry would survive a power cut. Throws if the disk cannot take it. */
  append(entry: JournalEntry): void {
    this.open.set(keyOf(entry), entry);
    this.write(entry);
  }

  /**
   * The database has it: it need not be replayed. Throws if the disk cannot take that; then it stays unsettled, which
   * holds back new paid calls until the journal can be written again.
   */
  settle(entry: JournalEntry): void {
    const settled = keyOf(entry);
    if (!this.open.has(settled)) return;
    this.write({ settled });
    this.open.delete(settled);
    this.compact();
  }

  stop(): void {
    if (this.file === null) return;
    closeSync(this.file);
    this.file = null;
    if (this.open.size === 0) rmSync(this.path, { force: true });
  }

  private write(line: object): void {
    if (this.file === null) throw new Error('The journal is not open.');
    // Somebody took this process for dead and removed its file: what is written there would be read by nobody.
    if (fstatSync(this.file).nlink === 0) this.replace(this.file);
    // The line break comes first too: after a torn line the next one must still stand alone.
    const text = `\n${JSON.stringify(line)}\n`;
    // All of it or an error; a single write to a disk that is nearly full may take a part and say nothing.
    writeFileSync(this.file, text);
    this.size += Buffer.byteLength(text);
    fsyncSync(this.file);
  }

  private compact(): void {
    if (this.file === null || this.open.size > 0 || this.size <= compactBytes) return;
    ftruncateSync(this.file, 0);
    this.size = 0;
  }

  /** Makes this process's file, with all that is not settled, in place of any that has its name. */
  private create(): number {
    const fresh = `${this.path}.new`;
    const file = openSync(fresh, 'a', 0o600);
    ftruncateSync(file, 0);
    for (const entry of this.open.values()) writeFileSync(file, `${JSON.stringify(entry)}\n`);
    fsyncSync(file);
    renameSync(fresh, this.path);
    this.syncFolder();
    return file;
  }

  private replace(removed: number): void {
    this.file = this.create();
    this.size = 0;
    closeSync(removed);
  }

  /** Whoever may still be writing to its file keeps it, until it is stale. */
  private remove(name: string): void {
    const path = join(this.folder, name);
    if (path === this.path) return;
    const stat = statSync(path, { throwIfNoEntry: false });
    if (isOfTheDead(name) || (stat && Date.now() - stat.mtimeMs > staleMs)) rmSync(path, { force: true });
  }

  private read(path: string): void {
    for (const line of textOf(path).split('\n')) {
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

/** Empty if another process that starts now has adopted the file and removed it. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

function parsed(line: string): z.infer<typeof journalLine> | null {
  try {
    return journalLine.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

const fileName = /^submissions-(.+)-(\d+)\.ndjson$/;

/** Whether a file's process ran on this machine and does not any more. */
function isOfTheDead(name: string): boolean {
  const [, host, number] = fileName.exec(name) ?? [];
  if (host !== hostname()) return false;
  try {
    process.kill(Number(number), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
