/** The transports of subscriptions. */
export type StreamTransport = 'websocket' | 'sse';

/** Counts the subscriptions that are being delivered, and what is sent to them. */
export class OpenStreams {
  readonly openBy: Record<StreamTransport, number> = { websocket: 0, sse: 0 };
  /** Since the start of the process. */
  readonly sentBy: Record<StreamTransport, number> = { websocket: 0, sse: 0 };

  /** Counts a subscription as open until its delivery ends. */
  async follow(transport: StreamTransport, delivering: Promise<void>): Promise<void> {
    this.openBy[transport] += 1;
    try {
      await delivering;
    } finally {
      this.openBy[transport] -= 1;
    }
  }

  /** A result was sent to a subscriber. */
  sent(transport: StreamTransport): void {
    this.sentBy[transport] += 1;
  }
}
