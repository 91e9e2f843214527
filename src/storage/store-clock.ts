import type { S3Client } from '@aws-sdk/client-s3';

/** The clock of a store, as its answers show it. Presigned URLs are valid by that clock. */
export class StoreClock {
  private ahead = 0;

  /** How far it is ahead of the clock of this machine, at least, in milliseconds; 0 before the first answer. */
  get aheadMs(): number {
    return this.ahead;
  }

  /** Its time in Unix milliseconds. */
  now(): number {
    return Date.now() + this.ahead;
  }

  /** Reads the time of each answer to this client. */
  watch(client: S3Client): void {
    client.middlewareStack.add(
      (next) => async (call) => {
        const sentMs = Date.now();
        const output = await next(call);
        this.read((output.response as Answer).headers ?? {}, sentMs);
        return output;
      },
      { step: 'deserialize', priority: 'low', name: 'readClock' },
    );
  }

  private read({ date, age }: Readonly<Record<string, string>>, sentMs: number): void {
    // A cached answer has the time of its first one.
    if (date === undefined || age !== undefined) return;
    // The time was read between the request and the answer, and is rounded down to a second.
    const secondMs = Date.parse(date);
    if (Number.isNaN(secondMs)) return;
    this.ahead = Math.max(0, secondMs - Date.now()) + Math.min(0, secondMs + 1_000 - sentMs);
  }
}

/** What the SDK calls a response. */
interface Answer {
  readonly headers?: Readonly<Record<string, string>>;
}
