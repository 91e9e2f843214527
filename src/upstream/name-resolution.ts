import { promises as dns, type LookupAddress, type LookupOptions } from 'node:dns';
import { open, type FileHandle } from 'node:fs/promises';
import { devNull } from 'node:os';
import { isOutOfDescriptors } from '../core/errors';
import { OwnerShares } from '../core/owner-shares';

/**
 * Resolves a name to all its addresses, like `dns.lookup`.
 * @param owner - the owner of the URL; null if no client sent it
 */
export type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  owner: string | null,
) => Promise<LookupAddress[]>;

/** The download must be postponed because a limit is reached; its URL is not the cause. */
export class DownloadDeferred extends Error {}

/**
 * Maximum concurrent lookups of clients' names. Each blocks a thread of libuv's pool until the system's resolver
 * answers, and only half of the pool (see core/thread-pool.ts) may be used for them; the rest is for the avatar
 * service.
 */
export const maxClientLookups = 8;

/** How many file descriptors the system's resolver may need: a file, and a socket for each query. */
const resolverDescriptors = 4;

/**
 * Creates a resolver that shares {@link maxClientLookups} between owners, so that names whose servers do not answer
 * block nothing else. Concurrent lookups of one name by one owner are combined.
 * @throws DownloadDeferred if the owner's share is in use; the system's error if this process has no file
 * descriptor left
 */
export function createResolver(
  lookup: Resolve = (hostname, options) => dns.lookup(hostname, options),
): Resolve {
  const shares = new OwnerShares(maxClientLookups);
  const pending = new Map<string, Promise<LookupAddress[]>>();
  const run: Resolve = async (...call) => {
    try {
      return await lookup(...call);
    } catch (error) {
      throw await failureOf(error);
    }
  };
  return (hostname, options, owner) => {
    if (owner === null) return run(hostname, options, owner);
    const key = JSON.stringify([owner, hostname, options.family, options.hints]);
    const same = pending.get(key);
    if (same) return same;
    if (!shares.tryAcquire(owner, 1)) {
      return Promise.reject(new DownloadDeferred('Too many DNS lookups are in progress.'));
    }
    // The share is in use until the lookup has ended, even if the download has been aborted.
    const running = run(hostname, options, owner).finally(() => {
      shares.release(owner, 1);
      pending.delete(key);
    });
    pending.set(key, running);
    return running;
  };
}

/** Without free file descriptors the system's resolver fails as if the name did not exist. */
async function failureOf(error: unknown): Promise<unknown> {
  const opened: FileHandle[] = [];
  try {
    while (opened.length < resolverDescriptors) opened.push(await open(devNull, 'r'));
    return error;
  } catch (refused) {
    return isOutOfDescriptors(refused) ? refused : error;
  } finally {
    for (const handle of opened) await handle.close();
  }
}
