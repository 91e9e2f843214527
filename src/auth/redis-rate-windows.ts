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
}

/** How long a window is kept after its end, in milliseconds: the clocks of processes differ. */
const keptMs = 60_000;

/**
 * Stores the counts of a process in the hash of each window, and returns the sums of all processes. The arguments of each
 * key are the name of the count, its value, and for how many milliseconds it is kept.
 */
const script = `
local totals = {}
for index, key in ipairs(KEYS) do
  redis.call('HSET', key, ARGV[3 * index - 2], ARGV[3 * index - 1])
  redis.call('PEXPIRE', key, ARGV[3 * index])
  local total = 0
  for _, count in ipairs(redis.call('HVALS', key)) do total = total + count end
  totals[index] = total
end
return totals`;

/**
 * Rate windows in Redis: a hash for each subject and window, with the counts of each process. A process writes its whole
 * count, so that a repeated write changes nothing and a Redis that has lost its data is filled again.
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
   * Writes counts and returns the totals of all processes that use Redis, in the same order; null if it is unavailable to this
   * one.
   */
  async exchange(counts: readonly OwnCount[]): Promise<readonly number[] | null> {
    const { redis } = this;
    if (!redis.isUp) return null;
    const now = Date.now();
    const keys = counts.map(({ subject, endsAtMs }) => `${redis.prefix}:rate:${subject}:${endsAtMs}`);
    const values = counts.flatMap(({ number, own, endsAtMs }) => [
      `${this.processId}:${number}`,
      own,
      Math.max(endsAtMs - now, 0) + keptMs,
    ]);
    const isSent = redis.run((client) => client.eval(script, keys.length, ...keys, ...values));
    // The connection reports its loss.
    return isSent.then(
      (totals) => totals as number[],
      () => null,
    );
  }
}
