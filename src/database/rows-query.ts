import pg, {
  type Connection,
  type FieldDef,
  type PoolClient,
  type QueryArrayResult,
  type Submittable,
} from 'pg';
import { typeParsers } from './timestamps';
import { bindAndExecute, sync } from './wire-messages';

/** The rows of a statement, each as the values of the columns. */
export type StatementResult = Pick<QueryArrayResult<unknown[]>, 'fields' | 'rows'>;

/** Converts a parameter as `pg` does. Its types do not have this function. */
const { prepareValue } = (pg as unknown as { utils: { prepareValue: (value: unknown) => unknown } }).utils;

/** A statement that a connection has prepared, and the columns that it returns. */
export class KnownStatement {
  private readonly parsers: readonly ((text: string) => unknown)[];

  constructor(
    readonly name: string,
    readonly fields: FieldDef[],
  ) {
    this.parsers = fields.map(({ dataTypeID }) => typeParsers.getTypeParser(dataTypeID));
  }

  parse(texts: readonly (string | null)[]): unknown[] {
    return texts.map((text, index) => (text === null ? null : this.parsers[index]!(text)));
  }
}

/**
 * Runs a prepared statement whose columns are known. All messages are sent by one write, and the columns are not described
 * again. See docs/performance.md for the processor time that this saves.
 *
 * Implements the interface that `pg` calls for each message, as `pg-cursor` does.
 */
export class RowsQuery implements Submittable {
  private readonly rows: unknown[][] = [];
  /** Of a parser. An error must not be thrown into the connection's listeners. */
  private failure: unknown = null;

  private constructor(
    private readonly statement: KnownStatement,
    private readonly message: Buffer,
    private readonly resolve: (result: StatementResult) => void,
    private readonly reject: (error: unknown) => void,
  ) {}

  /**
   * @returns null if a parameter is binary; it was not run
   */
  static run(
    client: PoolClient,
    statement: KnownStatement,
    parameters: readonly unknown[],
  ): Promise<StatementResult> | null {
    const prepared = parameters.map((parameter) => prepareValue(parameter));
    if (!prepared.every((value) => typeof value === 'string' || value === null)) return null;
    const message = Buffer.concat([bindAndExecute(statement.name, prepared), sync]);
    return new Promise((resolve, reject) => {
      client.query(new RowsQuery(statement, message, resolve, reject));
    });
  }

  submit({ stream }: Connection): void {
    // Otherwise the loss of the connection is reported.
    if (stream.writable) stream.write(this.message);
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    try {
      this.rows.push(this.statement.parse(fields));
    } catch (error) {
      this.failure ??= error;
    }
  }

  handleCommandComplete(): void {
    // ReadyForQuery follows.
  }

  handleReadyForQuery(): void {
    if (this.failure !== null) this.reject(this.failure);
    else this.resolve({ fields: this.statement.fields, rows: this.rows });
  }

  handleError(error: Error): void {
    this.reject(error);
  }
}
