import { createLogger } from '../../src/core/logger';
import { keepingLease } from '../../src/jobs/lease';

const logger = createLogger('silent');

/** Renewals that a test can count, and wait for the third of. */
class Renewals {
  count = 0;
  readonly thrice: Promise<void>;
  private reach: () => void = () => undefined;

  constructor(private readonly outcome: () => Promise<void> = () => Promise.resolve()) {
    this.thrice = new Promise((resolve) => (this.reach = resolve));
  }

  readonly renew = (): Promise<void> => {
    this.count += 1;
    if (this.count === 3) this.reach();
    return this.outcome();
  };
}

/** Lets the time pass in which a lease of the same length is renewed three times. */
async function passThreeRenewals(): Promise<void> {
  const { renew, thrice } = new Renewals();
  await keepingLease({ everyMs: 1, renew, logger }, () => thrice);
}

describe('keeping a lease', () => {
  it('renews until the work is done, and gives its result', async () => {
    const lease = new Renewals();
    const result = await keepingLease({ everyMs: 1, renew: lease.renew, logger }, async () => {
      await lease.thrice;
      return 'done';
    });
    expect(result).toBe('done');
    const { count } = lease;
    await passThreeRenewals();
    expect(lease.count).toBe(count);
  });

  it('goes on with the work when a renewal fails', async () => {
    const { renew, thrice } = new Renewals(() => Promise.reject(new Error('The database is away.')));
    await expect(keepingLease({ everyMs: 1, renew, logger }, () => thrice)).resolves.toBeUndefined();
  });

  it('stops renewing when the work fails, and passes the error on', async () => {
    const lease = new Renewals();
    const failing = keepingLease({ everyMs: 1, renew: lease.renew, logger }, async () => {
      await lease.thrice;
      throw new Error('broken');
    });
    await expect(failing).rejects.toThrow('broken');
    const { count } = lease;
    await passThreeRenewals();
    expect(lease.count).toBe(count);
  });
});
