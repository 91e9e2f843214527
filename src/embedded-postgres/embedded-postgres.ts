import { dirname } from 'node:path';
import { backoffMs } from '../core/clock';
import { findBinaries } from './binaries';
import { explain } from './errors';
import {
  initialise,
  makeRoom,
  ownerOfData,
  readPassword,
  readServerNote,
  serverFolder,
  type ServerFolder,
} from './folder';
import { chooseIdentity } from './identity';
import { StartLimit } from './process';
import { endServer, launch, type Workshop } from './server';
import { urlOf, UseSession } from './session';

/** How the embedded PostgreSQL is started. */
export interface EmbeddedPostgresOptions {
  /** The folder of this server, made on the first start with its parents. It holds nothing else. */
  dir: string;
  /**
   * True: what is committed survives a power cut, and the server outlives a killed gateway. False is for tests: it
   * waits for no disk and, on Linux, ends with the process that started it.
   */
  durable: boolean;
  /** @defaultValue 100 connections */
  maxConnections?: number;
  /** Gives the start up; what was begun is ended. It has no effect on a server that is ready. */
  signal?: AbortSignal;
}

/** A PostgreSQL that this process uses. */
export interface EmbeddedPostgres {
  /** The database `likeness`, with user and password. It is a secret. */
  url: string;
  /** The server's process. */
  pid: number;
  /** Whether this call started the server; false if it found one running. */
  started: boolean;
  /**
   * Ends this process's use of the server. The last user stops it, whoever started it: a gateway that stops does not
   * take the database from another one, and what a killed gateway left running ends with the next. A server that is
   * not durable is stopped by its starter, always. Returns when the server is gone; calling it again is no error.
   */
  stop(): Promise<void>;
}

const maxTries = 6;

/**
 * Starts PostgreSQL in a folder, or attaches to the server that works there already: another gateway's, or one that
 * outlived its own. Several processes may do so at once; one server comes out.
 *
 * It listens on loopback only, at the port of the last time if that is free. The user `likeness` owns it; its
 * generated password lies beside the data and is asked of everyone (scram-sha-256). A first start takes about a
 * second, a later one a tenth, at most two minutes if much has to be recovered.
 *
 * @throws EmbeddedPostgresError saying the cure; the signal's reason if it was aborted
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const folder = serverFolder(options.dir);
  const limit = new StartLimit(folder.dir, options.signal);
  limit.check();
  const owner = await ownerOfData(folder);
  const found = await attach(folder, limit);
  if (found !== null) return inUse(folder, found, { isStarter: false, isDurable: options.durable });

  const binaries = await findBinaries(`${folder.dir}.lib`);
  await makeRoom(folder);
  const identity = await chooseIdentity(binaries, owner === null ? dirname(folder.dir) : folder.data, owner);
  if (owner === null) await initialise(folder, binaries, identity, options.durable, limit);
  return launchOrAttach({ folder, binaries, identity }, options, limit);
}

/** A server in whose use we are. */
interface Attachment {
  pid: number;
  url: string;
  session: UseSession;
}

/** Waits while a server works in the folder but is not ready. @returns null if none does */
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
  workshop: Workshop,
  { durable: isDurable, maxConnections = 100 }: EmbeddedPostgresOptions,
  limit: StartLimit,
): Promise<EmbeddedPostgres> {
  let isPortTaken = false;
  for (let tries = 1; ; tries += 1) {
    const { pid, said, hope } = await launch(workshop, { isDurable, maxConnections, isPortTaken }, limit);
    // Ours, or that of another process which was faster.
    const server = await attach(workshop.folder, limit).catch(async (error: unknown) => {
      if (pid !== undefined) await endServer(workshop.folder, pid);
      throw error;
    });
    if (server !== null) return inUse(workshop.folder, server, { isStarter: server.pid === pid, isDurable });
    if (hope === 'none' || tries === maxTries) {
      throw explain(
        `The embedded PostgreSQL in ${workshop.folder.dir} did not start (as ${workshop.identity.name})`,
        said,
      );
    }
    isPortTaken ||= hope === 'other port';
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
