import { backoffMs, pause } from '../core/clock';
import { DomainError } from '../core/errors';

/** With the delays between them, about a minute. */
const maxTries = 16;

/**
 * Repeats a write until the database accepts it, for about a minute. For outcomes of paid calls: a certain outcome that
 * is lost to an outage of the database would become UNCERTAIN.
 * @throws the last error, or at once any error but SERVICE_UNAVAILABLE
 */
export async function retryWhileUnavailable(write: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await write();
      return;
    } catch (error) {
      const isUnavailable = error instanceof DomainError && error.code === 'SERVICE_UNAVAILABLE';
      if (!isUnavailable || tries === maxTries) throw error;
      await pause(backoffMs(tries, 200, 5_000));
    }
  }
}
