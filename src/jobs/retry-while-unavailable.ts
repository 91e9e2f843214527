import { backoffMs, pause } from '../core/clock';
import { isServiceUnavailable } from '../core/errors';

/** About a minute, including the delays. */
const maxTries = 16;

/**
 * Repeats a write until the database accepts it, for about a minute. For outcomes of paid calls: a certain outcome
 * that is not stored because of a database outage would become UNCERTAIN, and an unknown one would be lost.
 * @throws the last error, or immediately any error other than SERVICE_UNAVAILABLE
 */
export async function retryWhileUnavailable(write: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await write();
      return;
    } catch (error) {
      const isUnavailable = isServiceUnavailable(error);
      if (!isUnavailable || tries === maxTries) throw error;
      await pause(backoffMs(tries, 200, 5_000));
    }
  }
}
