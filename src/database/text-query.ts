import type { Connection, PoolClient, Submittable } from 'pg';

/** Whether all parameters are texts or null, which {@link TextQuery} sends as they are. */
export function areTexts(parameters: readonly unknown[]): parameters is readonly (string | null)[] {
  return parameters.every((parameter) => typeof parameter === 'string' || parameter === null);
}

/**
 * Runs a statement that the connection has prepared, and whose result is one row with one text. Its messages are sent by
 * one write, and its columns are not described again, which takes half the processor time of a query of `pg`.
 *
 * Implements the interface that `pg` calls for each message, as `pg-cursor` does.
 */
export class TextQuery implements Submittable {
  private text: string | null = null;

  private constructor(
    private readonly message: Buffer,
    private readonly resolve: (text: string | null) => void,
    private readonly reject: (error: Error) => void,
  ) {}

  /** @param name - that of the prepared statement */
  static run(
    client: PoolClient,
    name: string,
    parameters: readonly (string | null)[],
  ): Promise<string | null> {
    return new Promise((resolve, reject) => {
      client.query(new TextQuery(encode(name, parameters), resolve, reject));
    });
  }

  submit({ stream }: Connection): void {
    // Otherwise the loss of the connection is reported.
    if (stream.writable) stream.write(this.message);
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    this.text = fields[0]!;
  }

  handleCommandComplete(): void {
    // ReadyForQuery follows.
  }

  handleReadyForQuery(): void {
    this.resolve(this.text);
  }

  handleError(error: Error): void {
    this.reject(error);
  }
}

/** Execute without a limit of rows, and Sync. */
const executeAndSync = Buffer.from('450000000900000000005300000004', 'hex');

/** The messages Bind, Execute and Sync of PostgreSQL's protocol. */
function encode(name: string, parameters: readonly (string | null)[]): Buffer {
  const lengths = parameters.map((text) => (text === null ? -1 : Buffer.byteLength(text)));
  const bytes = lengths.reduce((sum, length) => sum + 4 + Math.max(length, 0), 0);
  // Name of the portal, name of the statement, three counts: formats of parameters, parameters, formats of columns.
  const bindLength = 4 + 1 + (name.length + 1) + 2 + 2 + bytes + 2;
  const message = Buffer.allocUnsafe(1 + bindLength + executeAndSync.length);
  let at = message.write('B', 'latin1');
  at = message.writeInt32BE(bindLength, at);
  at += message.write(`\0${name}\0`, at, 'latin1');
  at = message.writeInt16BE(0, at);
  at = message.writeInt16BE(parameters.length, at);
  parameters.forEach((text, index) => {
    at = message.writeInt32BE(lengths[index]!, at);
    if (text !== null) at += message.write(text, at);
  });
  at = message.writeInt16BE(0, at);
  executeAndSync.copy(message, at);
  return message;
}
