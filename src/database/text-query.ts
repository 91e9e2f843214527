import type { Connection, PoolClient, Submittable } from 'pg';
import { bindAndExecute, sync } from './wire-messages';

/** A statement that its connection has prepared, and whose result is one row with one text. */
export interface TextRequest {
  /** The name of the prepared statement. */
  readonly name: string;
  readonly parameters: readonly (string | null)[];
  readonly resolve: (text: string | null) => void;
  readonly reject: (error: unknown) => void;
}

/** Whether all parameters are texts or null, which {@link TextQuery} sends as they are. */
export function areTexts(parameters: readonly unknown[]): parameters is readonly (string | null)[] {
  return parameters.every((parameter) => typeof parameter === 'string' || parameter === null);
}

/**
 * Runs prepared statements one after the other. All messages are sent by one write, and no columns are described. See
 * docs/performance.md for the processor time that this saves.
 *
 * Implements the interface that `pg` calls for each message, as `pg-cursor` does.
 */
export class TextQuery implements Submittable {
  private text: string | null = null;
  private next = 0;

  private constructor(
    private readonly requests: readonly TextRequest[],
    private readonly done: (error: Error | null) => void,
  ) {}

  /**
   * Runs the requests. After an error PostgreSQL does not run those that follow.
   * @returns the requests that were not run. The connection must not be used again unless this is null.
   */
  static run(client: PoolClient, requests: readonly TextRequest[]): Promise<readonly TextRequest[] | null> {
    return new Promise((resolve) => {
      const query = new TextQuery(requests, (error) => {
        if (!error) return resolve(null);
        requests[query.next]!.reject(error);
        resolve(requests.slice(query.next + 1));
      });
      client.query(query);
    });
  }

  submit({ stream }: Connection): void {
    // Otherwise the loss of the connection is reported.
    if (stream.writable) stream.write(Buffer.concat([...this.messages(), sync]));
  }

  private messages(): Buffer[] {
    return this.requests.map(({ name, parameters }) => bindAndExecute(name, parameters));
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.text = fields[0]!;
  }

  handleCommandComplete(): void {
    this.requests[this.next]!.resolve(this.text);
    this.next += 1;
  }

  handleReadyForQuery(): void {
    this.done(null);
  }

  handleError(error: Error): void {
    // A connection may also be lost between the last result and ReadyForQuery.
    this.done(this.next < this.requests.length ? error : null);
  }
}
