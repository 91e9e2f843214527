import { readFileSync } from 'node:fs';

/**
 * The limit of open files and sockets of this process. Node raises it to the hard limit at startup.
 * @returns null if there is no limit or it cannot be read (it can be read on Linux)
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

/** Descriptors of a busy process for upstream calls, downloads and files. */
const reserveOfWork = 100;

/**
 * The number of descriptors that are reserved for the database, the upstream and files: at most half of the limit.
 * @param pool - the number of database connections
 */
export function descriptorReserve(limit: number, pool: number): number {
  return Math.min(pool + reserveOfWork, Math.floor(limit / 2));
}
