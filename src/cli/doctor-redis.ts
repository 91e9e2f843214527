import { setTimeout as pause } from 'node:timers/promises';
import type { Config } from '../config';
import { RedisSession } from '../redis/redis-session';
import { finding, type Finding } from './doctor-finding';
import { messageOf } from './messages';

const timeoutMs = 2_000;

/** Checks that Redis runs scripts and delivers messages. Nothing if none is configured. */
export async function checkRedis({ REDIS_URL: url, REDIS_PREFIX: prefix }: Config): Promise<Finding[]> {
  if (url === undefined) return [];
  const ended = new AbortController();
  const { signal } = ended;
  let onMessage: () => void = () => undefined;
  const received = new Promise<boolean>((resolve) => (onMessage = () => resolve(true)));
  try {
    const options = { url, prefix: `${prefix}:doctor`, signal, onMessage, onAlive: () => undefined };
    const session = await RedisSession.open(options);
    const beganMs = performance.now();
    await session.run((redis) => redis.publish(session.channel, 'likeness doctor'));
    if (!(await Promise.race([received, pause(timeoutMs, false, { signal })])))
      throw new Error('A message that was published did not arrive.');
    const ms = Math.round(performance.now() - beganMs);
    return [finding('Redis', 'ok', `scripts run, and a message takes ${ms} ms`)];
  } catch (error) {
    const cure =
      'The gateway uses the database instead. Check REDIS_URL, and that the user may use scripts and channels.';
    return [finding('Redis', 'warn', messageOf(error), cure)];
  } finally {
    ended.abort();
  }
}
