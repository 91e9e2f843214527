import { dirname } from 'node:path';
import { backoffMs } from '../core/clock';
import type { Logger } from '../core/logger';
import { findBinaries } from './binaries';
import { explain } from './errors';
import {
  initialise,
  ownerOfData,
  prepareParent,
  readPassword,
  readServerNote,
  serverFolder,
  type ServerFolder,
} from './folder';
import { chooseIdentity } from './identity';
import { isTaken, StartLimit } from './process';
import { endServer, launch, type ServerContext } from './server';
import { urlOf, UseSession } from './session';

/** Options of {@link startEmbeddedPostgres}. */
export interface EmbeddedPostgresOptions {
  /** The folder of this server, created at the first start with its parents. It contains nothing else. */
  dir: string;
  /**
   * True: commits survive a power loss, and the server continues when a gateway is killed. False is for tests: the
   * server does not sync to disk and, on Linux, ends with the process that started it.
   */
  durable: boolean;
  /** @defaultValue 100 connections */
  maxConnections?: number;
  /** Aborts the start and ends what was started. It has no effect on a server that is ready. */
  signal?: AbortSignal;
}

/** A PostgreSQL that this process uses. */
export interface EmbeddedPostgres {
  /** The URL of the database `likeness`, with user and password. It is a secret. */
  url: string;
  /** The server's process. */
  pid: number;
  /** Whether this call started the server; false if it was already running. */
  started: boolean;
  /**
   * Ends this process's use of the server. The last user stops the server, regardless of which process started it:
   * a gateway that stops does not stop the database of another one, and a server that a killed gateway left running
   * ends with the next. A server that is not durable is always stopped by its starter. Returns when the server has
   * ended. Idempotent.
   */
  stop(): Promise<void>;
}

const maxTries = 6;

/**
 * Starts PostgreSQL in a folder, or attaches to the server that uses it already, of another gateway or of one that
 * was killed. Several processes may do so concurrently; they share one server.
 *
 * It listens on loopback only, on its previous port if that is free. The user `likeness` owns it; its generated
 * password is stored next to the data and required from all clients (scram-sha-256). A first start takes about a
 * second, later ones a tenth, and at most two minutes if a lot of WAL must be recovered.
 *
 * @throws EmbeddedPostgresError with advice; the signal's reason if it was aborted
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = serverFolder(options.dir);
  const limit = new StartLimit(folder.dir, options.signal);
  limit.check();
  const owner = await ownerOfData(folder);
  const found = await attach(folder, limit);
  if (found !== null) return inUse(folder, found, { isStarter: false, isDurable: options.durable });

  const binaries = await findBinaries(`${folder.dir}.lib`);
  await prepareParent(folder);
  const identity = await chooseIdentity(binaries, owner === null ? dirname(folder.dir) : folder.data, owner);
  if (owner === null) await initialise(folder, binaries, identity, options.durable, limit);
  return launchOrAttach({ folder, binaries, identity }, options, limit);
}

/** A server that this process uses. */
interface Attachment {
  pid: number;
  url: string;
  session: UseSession;
}

/** Waits while a server uses the folder but is not ready. @returns null if there is no server */
async function attach(folder: ServerFolder, limit: StartLimit): Promise<Attachment | null> {
  for (;;) {
    const note = await readServerNote(folder);
    if (note === null) return null;
    if (note.isReady) {
      const address = { port: note.port, password: await readPassword(folder) };
      const session = await UseSession.open(address);
      if (session !== null) return { pid: note.pid, url: urlOf(address), session };
    }
    await limit.pause(10);
  }
}

async function launchOrAttach(
  context: ServerContext,
  { durable: isDurable, maxConnections = 100 }: EmbeddedPostgresOptions,
  limit: StartLimit,
): Promise<EmbeddedPostgres> {
  let isPortTaken = false;
  for (let tries = 1; ; tries += 1) {
    const { pid, output, retry } = await launch(context, { isDurable, maxConnections, isPortTaken }, limit);
    // The server of this call, or of another process that was faster.
    const server = await attach(context.folder, limit).catch(async (error: unknown) => {
      if (pid !== undefined) await endServer(context.folder, pid);
      throw error;
    });
    if (server !== null) return inUse(context.folder, server, { isStarter: server.pid === pid, isDurable });
    if (retry === 'none' || tries === maxTries) {
      throw explain(
        `The embedded PostgreSQL in ${context.folder.dir} did not start (as ${context.identity.name})`,
        output,
      );
    }
    isPortTaken ||= retry === 'other port';
    await limit.pause(backoffMs(tries, 100, 2_000));
  }
}

function inUse(
  folder: ServerFolder,
  { pid, url, session }: Attachment,
  { isStarter, isDurable }: { isStarter: boolean; isDurable: boolean },
): EmbeddedPostgres {
  const leave = async (): Promise<void> => {
    const endsWithStarter = isStarter && !isDurable;
    if (endsWithStarter || (await session.isLast())) await endServer(folder, pid);
    session.close();
  };
  let left: Promise<void> | undefined;
  return { url, pid, started: isStarter, stop: () => (left ??= leave()) };
}

/** The interval between checks of the server, in milliseconds. */
const lookMs = 500;

/** Restarts an embedded server that has died. */
export class EmbeddedKeeper {
  private timer: NodeJS.Timeout | undefined;
  private restarting: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  private constructor(
    private readonly dir: string,
    private readonly logger: Logger,
    private server: EmbeddedPostgres,
  ) {
    this.timer = setInterval(() => {
      this.look();
    }, lookMs);
    this.timer.unref();
  }

  /**
   * Starts the server, or attaches to the one that uses the folder, and keeps it running.
   * @param signal - aborts the start; has no effect afterwards
   */
  static async start(dir: string, logger: Logger, signal: AbortSignal): Promise<EmbeddedKeeper> {
    return new EmbeddedKeeper(dir, logger, await startEmbeddedPostgres({ dir, durable: true, signal }));
  }

  /** The same after restarts: the server uses its previous port again. */
  get url(): string {
    return this.server.url;
  }

  /** Ends this process's use of the server; the last user stops the server. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.stopping.abort();
    await this.restarting;
    await this.server.stop();
  }

  private look(): void {
    if (this.restarting || isTaken(this.server.pid)) return;
    this.logger.error({ pid: this.server.pid }, 'the embedded PostgreSQL has died; restarting');
    this.restarting = this.restart().finally(() => {
      this.restarting = undefined;
    });
  }

  private async restart(): Promise<void> {
    const { url } = this.server;
    try {
      this.server = await startEmbeddedPostgres({
        dir: this.dir,
        durable: true,
        signal: this.stopping.signal,
      });
      if (this.server.url === url) return;
      this.logger.fatal('the embedded PostgreSQL could not use its previous port; restart Likeness');
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.logger.error({ err: error }, 'the embedded PostgreSQL could not be restarted yet');
    }
  }
}
