import type { ResultAnswer } from '../upstream/downloads';

/** Measures the download of a picture, for the timeline of its generation. */
export class DownloadCall {
  private readonly startedMs = performance.now();
  private endedMs: number | null = null;

  private answer: ResultAnswer | null = null;

  /** Records that the answer has begun. */
  readonly onAnswer = (answer: ResultAnswer): void => {
    this.answer = answer;
  };

  /** The HTTP status; null until there is an answer. */
  get httpStatus(): number | null {
    return this.answer?.httpStatus ?? null;
  }

  /** The upstream's id of the exchange; null without an answer that has one. */
  get correlationId(): string | null {
    return this.answer?.correlationId ?? null;
  }

  /** From the request to the last byte read, or until now, in milliseconds. */
  get durationMs(): number {
    return Math.round((this.endedMs ?? performance.now()) - this.startedMs);
  }

  /** The same bytes. The download ends with them. */
  async *read(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      yield* bytes;
    } finally {
      this.end();
    }
  }

  /** Ends the download if its bytes have not ended it. */
  end(): void {
    this.endedMs ??= performance.now();
  }
}
