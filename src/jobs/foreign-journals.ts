import { randomUUID } from 'node:crypto';
import { readdirSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../core/errors';

/** A file of another process that has been unchanged for this long is orphaned. Milliseconds. */
const defaultOrphanedMs = 10_000;

const journalName = /^submissions\.[0-9a-f-]{36}\.ndjson$/;

/** A file of another process, as last observed. */
interface ForeignFile {
  version: string;
  /** By this process's monotonic clock, in milliseconds. */
  sinceMs: number;
}

/** The journal files of other processes in a folder. A file that its process no longer renews is orphaned. */
export class ForeignJournals {
  private readonly seen = new Map<string, ForeignFile>();

  constructor(
    private readonly folder: string,
    private readonly orphanedMs = defaultOrphanedMs,
  ) {}

  /** The paths of all files except the caller's own. */
  list(ownPath: string): string[] {
    return this.names(ownPath).map((name) => join(this.folder, name));
  }

  /** Renames orphaned files, so that their processes find them missing, and returns their new paths. */
  adopt(ownPath: string): string[] {
    const orphaned = this.names(ownPath).filter((name) => this.isOrphaned(name));
    return orphaned.flatMap((name) => this.rename(name));
  }

  private names(ownPath: string): string[] {
    return readdirSync(this.folder).filter(
      (name) => journalName.test(name) && join(this.folder, name) !== ownPath,
    );
  }

  /** Whether a file has been unchanged for long enough. */
  private isOrphaned(name: string): boolean {
    const stat = statSync(join(this.folder, name), { throwIfNoEntry: false });
    if (!stat) return false;
    const version = `${stat.mtimeMs}/${stat.size}`;
    const seen = this.seen.get(name);
    const nowMs = performance.now();
    if (seen?.version !== version) {
      this.seen.set(name, { version, sinceMs: nowMs });
      return false;
    }
    return nowMs - seen.sinceMs >= this.orphanedMs;
  }

  /** Returns no path if another process renamed the file first. */
  private rename(name: string): string[] {
    const path = join(this.folder, `submissions.${randomUUID()}.ndjson`);
    this.seen.delete(name);
    try {
      renameSync(join(this.folder, name), path);
      return [path];
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
