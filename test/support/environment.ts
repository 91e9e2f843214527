import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Sandbox } from '../../src/sandbox/sandbox';
import { storeMarkerKey } from '../../src/storage/media-store';
import { rowsAt } from './test-server';

/** Settings as environment variables. */
export type Settings = Readonly<Record<string, string | undefined>>;

/** The prefix of data directories, before the process id of the test. */
export const folderPrefix = 'likeness-environment-';

/** Creates a data directory. A later run removes it if this process is killed. */
export function newDataDir(): Promise<string> {
  return mkdtemp(join(tmpdir(), `${folderPrefix}${process.pid}-`));
}

/** A gateway with its database, its data directory and the sandbox as its upstream, in this process or as processes. */
export abstract class Environment {
  protected constructor(
    /** Contains the media, the journal and the memory of the sandbox. */
    readonly dataDir: string,
  ) {}

  /** The URL of the gateway; of the first one if there are several. */
  abstract get url(): string;

  abstract get sandbox(): Sandbox;

  abstract get databaseUrl(): string;

  get journalDir(): string {
    return join(this.dataDir, 'journal');
  }

  get mediaDir(): string {
    return join(this.dataDir, 'media');
  }

  /** Runs one statement, in a session that others use too. */
  rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]> {
    return rowsAt<Row>(this.databaseUrl, text, parameters);
  }

  /** The unordered names of all files in the media store, without its marker. */
  async mediaFiles(): Promise<string[]> {
    const entries = await readdir(this.mediaDir, { withFileTypes: true, recursive: true });
    return entries.filter((entry) => entry.isFile() && entry.name !== storeMarkerKey).map(({ name }) => name);
  }

  /** Stops and removes everything, in any state. */
  async stop(): Promise<void> {
    await this.halt();
    await rm(this.dataDir, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Stops the gateways, the upstream and the database. */
  protected abstract halt(): Promise<void>;
}
