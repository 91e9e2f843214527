import { DownloadError } from '../upstream/download';

/** Measures the download of a picture, for the timeline of its generation. */
export class DownloadCall {
  private readonly startedMs = performance.now();
  private endedMs: number | null = null;

  /** The HTTP status; null until there is an answer. */
  httpStatus: number | null = null;

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

  /** Ends the download with an error, which has the status if there was an answer without the file. */
  fail(error: unknown): void {
    this.end();
    if (error instanceof DownloadError) this.httpStatus ??= error.status ?? null;
  }

  private end(): void {
    this.endedMs ??= performance.now();
  }
}
