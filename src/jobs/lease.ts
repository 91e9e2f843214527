import type { Logger } from '../core/logger';

/** How a lease is kept alive. */
export interface LeaseKeeping {
  /** Well below the lease's length. */
  everyMs: number;
  renew: () => Promise<void>;
  logger: Logger;
}

/**
 * Renews the lease of what is in hand until `work` is done. A renewal that fails is only logged: when the lease does
 * end, somebody else takes the rows up and the fencing token keeps this worker's late writes out.
 */
export async function keepingLease<Result>(
  { everyMs, renew, logger }: LeaseKeeping,
  work: () => Promise<Result>,
): Promise<Result> {
  const timer = setInterval(() => {
    renew().catch((error: unknown) => {
      logger.warn({ err: error }, 'a lease could not be renewed');
    });
  }, everyMs);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}
