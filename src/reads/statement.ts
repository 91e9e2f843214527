import { Parameters } from '../core/list-statements';
import type { ReadStatement } from '../core/sql';

/**
 * The SQL of a JSON text, which is never null. In this text a computed value is represented by a hole: its number, a
 * colon and the JSON of the columns that it needs, between two {@link holeMark}s. No JSON contains the marks themselves,
 * since JSON escapes control characters.
 */
export type JsonSql = string;

const holeMark = '\u0001';

/** Stands for a value that the schema does not allow. The resolvers then answer, with the error. */
const invalidMark = '\u0002';

/** Computes the JSON text of a hole from the JSON of its columns. */
type Fill = (columns: unknown) => string;

/** A value of a row that the schema does not allow. */
export class InvalidValue extends Error {}

/** What a statement is run with: owner and scopes of the viewer, and the coerced variables of the operation. */
export interface StatementInput {
  readonly owner: string;
  readonly scopes: Iterable<string>;
  readonly variables: Readonly<Record<string, unknown>>;
  /** What the resolver of a mutation returned. */
  readonly payload?: Readonly<Record<string, unknown>>;
}

/** A parameter that differs between requests with the same statement. */
class InputParameter {
  constructor(readonly read: (input: StatementInput) => unknown) {}
}

/** The rows of a select in a statement, and those of their columns that the statement reads. */
export class Row {
  private readonly names = new Set<string>();

  constructor(readonly alias: string) {}

  /** SQL: a column, by its name. */
  column(name: string): string {
    this.names.add(name);
    return `${this.alias}.${name}`;
  }

  /** The names of the columns that are read; never empty. */
  get columns(): string[] {
    return this.names.size === 0 ? ['id'] : [...this.names];
  }
}

/** The statement of an operation while its SQL is made: its parameters, the aliases of its rows, its computed values. */
export class Statement extends Parameters {
  /** SQL: the owner, whose rows only are read. */
  readonly owner: string;
  private aliases = 0;
  private readonly fills: Fill[] = [];

  /** @param variables - those of the operation, coerced */
  constructor(readonly variables: StatementInput['variables']) {
    super();
    this.owner = `${this.addInput(({ owner }) => owner)}::text`;
  }

  /** Adds a value of each request and returns its placeholder. */
  addInput(read: (input: StatementInput) => unknown): string {
    return this.add(new InputParameter(read));
  }

  /** Rows with a new alias. */
  row(): Row {
    this.aliases += 1;
    return new Row(`r${this.aliases}`);
  }

  /** SQL: the hole of a computed value. */
  hole(columns: JsonSql, fill: Fill): JsonSql {
    this.fills.push(fill);
    return `${literal(`${holeMark}${this.fills.length - 1}:`)} || ${columns} || ${literal(holeMark)}`;
  }

  /** The statement, which does not refer to the variables. */
  finish(text: string, isShort: boolean): FinishedStatement {
    return new FinishedStatement({ text, isShort }, this.values, this.fills);
  }
}

/** A statement of many requests; it has no data of one, except values that all of them have in common. */
export class FinishedStatement {
  constructor(
    readonly sql: ReadStatement,
    private readonly parameters: readonly unknown[],
    private readonly fills: readonly Fill[],
  ) {}

  /** The values of the parameters for a request. */
  valuesFor(input: StatementInput): unknown[] {
    return this.parameters.map((value) => (value instanceof InputParameter ? value.read(input) : value));
  }

  /**
   * The text with its holes filled.
   * @throws InvalidValue
   */
  fill(text: string): string {
    if (text.includes(invalidMark)) throw new InvalidValue();
    if (this.fills.length === 0) return text;
    let filled = '';
    text.split(holeMark).forEach((part, index) => (filled += index % 2 === 0 ? part : this.filled(part)));
    return filled;
  }

  private filled(hole: string): string {
    const colon = hole.indexOf(':');
    const fill = this.fills[Number(hole.slice(0, colon))]!;
    return fill(JSON.parse(hole.slice(colon + 1)));
  }
}

/** SQL: a text constant. Callers pass names of the schema and of the document's grammar, and punctuation. */
export function literal(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** SQL: the JSON text, or `null` where the schema allows it. */
export function orNull(sql: string, isNullable: boolean): JsonSql {
  return `coalesce(${sql}, ${literal(isNullable ? 'null' : invalidMark)})`;
}

/** SQL: the mark of a value that the schema does not allow. */
export const invalidValue: JsonSql = literal(invalidMark);

/** SQL: a JSON object of the given members. */
export function objectText(members: readonly (readonly [key: string, value: JsonSql])[]): JsonSql {
  const parts = members.map(([key, value], index) => {
    const start = `${index === 0 ? '{' : ','}"${key}":`;
    return `${literal(start)} || ${value}`;
  });
  return `(${[...parts, literal(members.length === 0 ? '{}' : '}')].join(' || ')})`;
}
