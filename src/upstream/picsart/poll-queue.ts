import { Semaphore } from '../../core/semaphore';
import { CallWithheld, minPauseMs, type PollOptions, type UpstreamError } from '../provider';

/**
 * Calls that cost nothing wait here for a connection, not in the exchange, so that waiting counts neither as time of the
 * call nor as a failure of it.
 */
export class PollQueue {
  private readonly connections: Semaphore;
  /** The last delay that the upstream requested, with its end on the clock of `performance.now()`. */
  private lastDelay: { readonly endMs: number } | null = null;

  constructor(connections: number) {
    this.connections = new Semaphore(connections, Infinity, () => new Error('The queue is full.'));
  }

  /** Withholds the calls that wait at present: the upstream requests a delay. */
  withhold(error: UpstreamError): void {
    const endMs = performance.now() + Math.max(minPauseMs, error.retryAfterMs ?? 0);
    this.lastDelay = { endMs: Math.max(endMs, this.lastDelay?.endMs ?? 0) };
  }

  /** @throws CallWithheld, or the error of `call` */
  async send<T>(
    call: () => Promise<T>,
    { group, onSend, signal }: PollOptions & { readonly signal: AbortSignal },
  ): Promise<T> {
    const { lastDelay } = this;
    const sendNow = (): Promise<T> => {
      const restMs = this.lastDelay === lastDelay ? 0 : this.lastDelay!.endMs - performance.now();
      if (restMs > 0) throw new CallWithheld(restMs);
      onSend?.();
      return call();
    };
    try {
      return await this.connections.run(sendNow, { key: group, signal });
    } catch (error) {
      throw error === signal.reason ? new CallWithheld() : error;
    }
  }
}
