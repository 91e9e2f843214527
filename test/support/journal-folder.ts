import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Journal } from '../../src/jobs/journal';
import type { JournalEntry } from '../../src/jobs/journal-lines';

/** Entries that differ in every field. */
export const entries: JournalEntry[] = ['ref-1', 'référence-☃', 'ref-3'].map((ref, index) => ({
  table: index === 1 ? 'generations' : 'models',
  id: `0189000${index}-0000-7000-8000-000000000000`,
  attempt: index + 1,
  provider: 'picsart',
  ref,
  correlationId: `correlation-${index}`,
}));

/** A line as the journal writes it. */
export const line = (value: object): string => `\n${JSON.stringify(value)}\n`;

/** The content of a settled line. */
export const settled = ({ table, id, attempt, ref }: JournalEntry): object => ({
  settled: `${table}/${id}/${attempt}`,
  ref,
});

/** The journal directory of several processes, all simulated in this process with one host name and process id. */
export class JournalFolder {
  readonly path = join(mkdtempSync(join(tmpdir(), 'likeness journal ')), 'journal');
  private readonly opened: Journal[] = [];
  private readonly names = new Map<Journal, string>();

  get files(): string[] {
    return existsSync(this.path) ? readdirSync(this.path) : [];
  }

  /** Opens a journal as at the start of a gateway. By default a file is orphaned when it was seen twice without a change. */
  start(orphanedMs = 0): Journal {
    const before = this.files;
    const journal = new Journal(this.path, { orphanedMs });
    journal.start();
    this.opened.push(journal);
    this.names.set(
      journal,
      this.files.find((name) => !before.includes(name))!,
    );
    return journal;
  }

  /** The first file of a journal. */
  fileOf(journal: Journal): string {
    return join(this.path, this.names.get(journal)!);
  }

  textOf(journal: Journal): string {
    return readFileSync(this.fileOf(journal), 'utf8');
  }

  /** The path of an earlier process's file. */
  foreignFile(): string {
    return join(this.path, 'submissions.00000000-0000-4000-8000-000000000000.ndjson');
  }

  /** Entries of an earlier process. */
  leave(path: string, text: string | Uint8Array): void {
    mkdirSync(this.path, { recursive: true });
    writeFileSync(path, text);
  }

  remove(): void {
    this.opened.splice(0).forEach((journal) => journal.stop());
    rmSync(resolve(this.path, '..'), { recursive: true });
  }
}
