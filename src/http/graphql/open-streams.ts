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

/** The time between the ends of two streams when the process stops, in milliseconds. */
const endSpacingMs = 2;

/** The period in which so many streams or sockets are ended, in milliseconds: clients that connect again at once do so at different times. */
export function spreadOf(count: number, graceMs: number): number {
  return Math.min(count * endSpacingMs, graceMs / 2);
}
