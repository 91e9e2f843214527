import { Semaphore } from '../../core/semaphore';
import { ExchangeError } from '../http-exchange';
import { CallWithheld, type PollOptions, type UpstreamError } from '../provider';
import { unansweredError } from './answer-errors';

/**
 * Calls that cost nothing wait here for a connection, not in the exchange, so that waiting counts neither as time of the
 * call nor as a failure of it.
 */
export class PollQueue {
  private readonly connections: Semaphore;
  /** The last answer that requested a delay. */
  private lastDelay: UpstreamError | null = null;

  constructor(connections: number) {
    this.connections = new Semaphore(connections, Infinity, () => new Error('The queue is full.'));
  }

  /** Withholds the calls that wait at present: the upstream requests a delay. */
  withhold(error: UpstreamError): void {
    this.lastDelay = error;
  }

  /** @throws CallWithheld, the UpstreamError of an aborted call, or the error of `call` */
  async send<T>(
    call: () => Promise<T>,
    { group, onSend, signal }: PollOptions & { readonly signal: AbortSignal },
  ): Promise<T> {
    const { lastDelay } = this;
    const sendNow = (): Promise<T> => {
      if (this.lastDelay !== lastDelay) throw new CallWithheld(this.lastDelay?.retryAfterMs);
      onSend?.();
      return call();
    };
    try {
      return await this.connections.run(sendNow, { key: group, signal });
    } catch (error) {
      if (error === signal.reason) throw unansweredError(new ExchangeError(false, 'aborted'));
      throw error;
    }
  }
}
