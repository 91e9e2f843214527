import type { RedisConnection } from '../redis/redis-connection';
import type { RateCount, WindowCounts } from './rate-count';

/** How long a window is kept after its end, in milliseconds: the clocks of processes differ. */
const keptMs = 60_000;

/**
 * Stores a count in the hash of each window, unless a higher one of its counter is there, and returns the hashes. The
 * arguments of each window are the name of the counter, its count, and for how many milliseconds the window is kept.
 */
const script = `
local windows = {}
for index, key in ipairs(KEYS) do
  local name, own, keptMs = ARGV[3 * index - 2], ARGV[3 * index - 1], ARGV[3 * index]
  if tonumber(own) > tonumber(redis.call('HGET', key, name) or 0) then redis.call('HSET', key, name, own) end
  redis.call('PEXPIRE', key, keptMs)
  windows[index] = redis.call('HGETALL', key)
end
return windows`;

/**
 * Rate windows in Redis: a hash for each subject and window, with the counts of each process. A process writes its whole
 * count, so that a repeated or late write changes nothing and a Redis that has lost its data is filled again.
 */
export class RedisRateWindows {
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
   * Stores counts and returns those of all processes that use Redis, in the same order; null if there was no answer: Redis may
   * have stored them, or may store them later.
   */
  async exchange(counts: readonly RateCount[]): Promise<readonly WindowCounts[] | null> {
    const { redis } = this;
    if (!redis.isUp) return null;
    const now = Date.now();
    const keys = counts.map(({ subject, endsAtMs }) => `${redis.prefix}:rate:${subject}:${endsAtMs}`);
    const values = counts.flatMap(({ name, own, endsAtMs }) => [
      name,
      own,
      Math.max(endsAtMs - now, 0) + keptMs,
    ]);
    const isSent = redis.run((client) => client.eval(script, keys.length, ...keys, ...values));
    // The connection reports its loss.
    return isSent.then(
      (windows) => (windows as string[][]).map(countsOf),
      () => null,
    );
  }
}

/** @param pairs - names and values in turns */
function countsOf(pairs: readonly string[]): WindowCounts {
  const counts = new Map<string, number>();
  for (let index = 0; index < pairs.length; index += 2) counts.set(pairs[index]!, Number(pairs[index + 1]));
  return counts;
}
