import { readFileSync } from 'node:fs';

/**
 * How many files and sockets this process may have open; Node raises it to the hard limit when it starts.
 * @returns null where there is no such limit, or the system does not say (it does on Linux)
 */
export function readDescriptorLimit(path = '/proc/self/limits'): number | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    return null;
  }
  const match = /^Max open files +(\d+) /m.exec(text);
  return match ? Number(match[1]) : null;
}

/** Paid calls, polls, downloads, files of uploads and pictures: what a busy process opens besides clients' sockets. */
const reserveOfWork = 100;

/**
 * The descriptors that clients' sockets leave free for the database, the upstream and files: at most half of all.
 * @param pool - connections to the database
 */
export function descriptorReserve(limit: number, pool: number): number {
  return Math.min(pool + reserveOfWork, Math.floor(limit / 2));
}
