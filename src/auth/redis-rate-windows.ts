import { randomBytes } from 'node:crypto';
import type { RedisConnection } from '../redis/redis-connection';

/** What a process has counted for a subject in the window that ends at `endsAtMs`. */
export interface OwnCount {
  /** Differs between the counters of the process: it may have forgotten an earlier one of the same subject. */
  readonly number: number;
  /** A hash. */
  readonly subject: string;
  readonly endsAtMs: number;
  readonly own: number;
  /** The part of `own` that is in the database. */
  readonly ownStored: number;
}

/** What the processes that use Redis have counted in a window. */
export interface SharedCount {
  /** The count that is not in the database. */
  readonly unstored: number;
  /** The count that is in the database: a part of what it has. */
  readonly stored: number;
}

/** How long a window is kept after its end, in milliseconds: the clocks of processes differ. */
const keptMs = 60_000;

/**
 * Stores the counts of a process in the hashes of each window, and returns the sums of all processes. Each window has two
 * keys, for the counts and for their parts in the database. The arguments of each window are the name of the count, its
 * value, its part in the database, and for how many milliseconds it is kept.
 */
const script = `
local function sum(key)
  local total = 0
  for _, count in ipairs(redis.call('HVALS', key)) do total = total + count end
  return total
end
local function put(key, name, count, keptMs)
  redis.call('HSET', key, name, count)
  redis.call('PEXPIRE', key, keptMs)
end
local totals = {}
for index = 1, #KEYS / 2 do
  local own, stored = KEYS[2 * index - 1], KEYS[2 * index]
  local name, keptMs = ARGV[4 * index - 3], ARGV[4 * index]
  put(own, name, ARGV[4 * index - 2], keptMs)
  if ARGV[4 * index - 1] ~= '0' then put(stored, name, ARGV[4 * index - 1], keptMs) end
  totals[2 * index - 1], totals[2 * index] = sum(own), sum(stored)
end
return totals`;

/**
 * Rate windows in Redis: a hash for each subject and window, with the counts of each process, and another one with their parts
 * in the database, if there are any. A process writes its whole count, so that a repeated write changes nothing and a Redis
 * that has lost its data is filled again.
 */
export class RedisRateWindows {
  private readonly processId = randomBytes(9).toString('base64url');

  constructor(private readonly redis: RedisConnection) {}

  /** Calls `listener` when Redis is available again, possibly without its data. */
  onReset(listener: () => void): void {
    this.redis.onState((isUp) => {
      if (isUp) listener();
    });
  }

  /** Whether this process can use it. */
  get isUp(): boolean {
    return this.redis.isUp;
  }

  /** Whether all processes can use it. */
  get isShared(): boolean {
    return this.redis.isShared;
  }

  /**
   * Writes counts and returns those of all processes that use Redis, in the same order; null if it is unavailable to this one.
   */
  async exchange(counts: readonly OwnCount[]): Promise<readonly SharedCount[] | null> {
    const { redis } = this;
    if (!redis.isUp) return null;
    const now = Date.now();
    const keys = counts.flatMap(({ subject, endsAtMs }) => {
      const key = `${redis.prefix}:rate:${subject}:${endsAtMs}`;
      return [key, `${key}:stored`];
    });
    const values = counts.flatMap(({ number, own, ownStored, endsAtMs }) => [
      `${this.processId}:${number}`,
      own,
      ownStored,
      Math.max(endsAtMs - now, 0) + keptMs,
    ]);
    const isSent = redis.run((client) => client.eval(script, keys.length, ...keys, ...values));
    // The connection reports its loss.
    return isSent.then(
      (totals) => sharedCounts(totals as number[]),
      () => null,
    );
  }
}

function sharedCounts(totals: readonly number[]): SharedCount[] {
  return Array.from({ length: totals.length / 2 }, (_, index) => {
    const stored = totals[2 * index + 1]!;
    return { unstored: totals[2 * index]! - stored, stored };
  });
}
