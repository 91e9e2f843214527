import type { ColumnValues, ListCondition } from './list-conditions';
import type { EntityClass } from './sql';

/**
 * How a list is ordered. NAME is A to Z without regard to the case of A to Z; other letters follow by code point. FAVORITES
 * is the favorites first, and the newest first among them and among the others.
 */
export type ListOrder = 'NEWEST' | 'OLDEST' | 'NAME' | 'FAVORITES';

/** SQL: a column of a row, by its name. */
type Column = (name: string) => string;

/** The row expression that orders a list before its ids. */
interface OrderKey {
  readonly sql: (column: Column) => string;
  readonly type: 'text' | 'boolean';
  /** The value of the expression as text. */
  readonly valueOf: (row: OrderedRow) => string;
}

/** The properties of a row that determine its place in the orders that its list has. */
interface OrderedRow {
  readonly name?: unknown;
  readonly favorite?: unknown;
}

const byName: OrderKey = {
  // Equal on every PostgreSQL and operating system, since `lower` under "C" changes only A to Z.
  sql: (column) => `lower(${column('name')} COLLATE "C")`,
  type: 'text',
  valueOf: ({ name }) => String(name).replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
};

const byFavorite: OrderKey = {
  sql: (column) => column('favorite'),
  type: 'boolean',
  valueOf: ({ favorite }) => String(favorite),
};

/** The key is null if the ids alone order the list. Ids sort by the time of creation. */
const orders: Record<ListOrder, { key: OrderKey | null; isDescending: boolean }> = {
  NEWEST: { key: null, isDescending: true },
  OLDEST: { key: null, isDescending: false },
  NAME: { key: byName, isDescending: false },
  FAVORITES: { key: byFavorite, isDescending: true },
};

/** The place of a row in an order. */
export interface ListPosition {
  readonly id: string;
  /** The value of the order's key: the name, A to Z in lower case, or `true` or `false`. Null if the order has no key. */
  readonly key: string | null;
}

/** Which rows of a list to read. */
export interface ListPage {
  readonly order: ListOrder;
  /** Number of rows, 1 to 100. */
  readonly size: number;
  /** Reads from the end of the list, or from `from` towards its start. */
  readonly isBackward: boolean;
  /** The row before the first one to read; null: the end of the list. */
  readonly from: ListPosition | null;
}

/** A table whose rows belong to owners. It needs an index on `(owner, id)`. */
export interface ListTable<Row, Filter> {
  readonly entity: EntityClass<Partial<Row>>;
  readonly table: string;
  /** SQL of the columns that rows have besides those of the table, by their names. */
  readonly computed?: Readonly<Record<string, string>>;
  /** SQL: the condition of the rows that the list has. */
  readonly visible?: string;
  /**
   * Columns between `owner` and the order of the list in an index, with all of their values; null: any, so that the index is
   * used only by a filter on the column. Each combination of values is read by a scan of its own, in the order of the list.
   * A condition on an array needs an index that has the array after `owner` and before all of these columns.
   */
  readonly indexed: Readonly<Record<string, ColumnValues | null>>;
  readonly conditionsOf: (filter: Filter) => ListCondition[];
}

/** The parameters of a statement, in their order. */
export class Parameters {
  readonly values: unknown[] = [];

  /** Adds a value and returns its placeholder. */
  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  /** Adds values of a column and returns SQL of their array. */
  array(values: ColumnValues): string {
    return `${this.add(values)}::${typeof values[0] === 'boolean' ? 'boolean' : 'text'}[]`;
  }

  /** SQL of a condition. */
  readonly sqlOf = (condition: ListCondition): string => {
    if ('column' in condition) return `${condition.column} = ANY(${this.array(condition.values)})`;
    if ('array' in condition) return `${condition.array} && ${this.array(condition.values)}`;
    if ('reference' in condition) return `${condition.reference} = ${this.add(condition.id)}`;
    if ('exceptText' in condition) return `NOT ${condition.exceptText}`;
    return condition.text.replace('?', () => this.add(condition.value));
  };
}

/** The rows of a list, as SQL. */
export interface ListRows {
  readonly table: Pick<ListTable<never, never>, 'table' | 'computed' | 'visible' | 'indexed'>;
  /**
   * The columns to read, by their names. PostgreSQL prepares all that are named, at each use of a statement.
   * @defaultValue all
   */
  readonly columns?: readonly string[];
  /** The owner. Ownership is a condition of every statement. */
  readonly owner: string;
  /** The column that all rows have in common, and its value; null for all rows of the owner. */
  readonly parent: { readonly column: string; readonly id: string } | null;
  readonly conditions: readonly ListCondition[];
}

/**
 * SQL: the owner's rows among those of a parent. `IS TRUE` keeps PostgreSQL from reading all rows of the owner by an index
 * on the owner, since the parent has fewer.
 */
export function isOwnedBy(owner: string): string {
  return `(owner = ${owner}) IS TRUE`;
}

/** The key that orders rows before their ids, and the direction of reading. */
export function orderOf(
  { order, isBackward }: ListPage,
  row = '',
): { key: { sql: string; type: OrderKey['type'] } | null; isAscending: boolean } {
  const { key, isDescending } = orders[order];
  return {
    key: key && { sql: key.sql((name) => `${row}${name}`), type: key.type },
    isAscending: isDescending === isBackward,
  };
}

/** SQL: the order of a page in reading direction. */
export function orderBy(page: ListPage, row = '', prefix: readonly string[] = []): string {
  const { key, isAscending } = orderOf(page, row);
  const columns = [...prefix, ...(key === null ? [] : [key.sql]), `${row}id`];
  return `ORDER BY ${columns.map((column) => `${column} ${isAscending ? 'ASC' : 'DESC'}`).join(', ')}`;
}

/** SQL: the key of a row in an order; null if the order has no key. */
export function orderKey(order: ListOrder, column: Column): string | null {
  return orders[order].key?.sql(column) ?? null;
}

/** The place of a row in an order. */
export function positionOf(row: OrderedRow & { readonly id: string }, order: ListOrder): ListPosition {
  return { id: row.id, key: orders[order].key?.valueOf(row) ?? null };
}
