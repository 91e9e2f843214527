import type { ListCondition } from './list-conditions';
import type { EntityClass } from './sql';

/** How a list is ordered. NAME is A to Z without regard to the case of A to Z; other letters follow by code point. */
export type ListOrder = 'NEWEST' | 'OLDEST' | 'NAME';

/** The row expression that orders a list before its ids; null if the ids alone do. Ids sort by the time of creation. */
const orders: Record<ListOrder, { key: ((row: string) => string) | null; isDescending: boolean }> = {
  NEWEST: { key: null, isDescending: true },
  OLDEST: { key: null, isDescending: false },
  // Equal on every PostgreSQL and operating system, since `lower` under "C" changes only A to Z.
  NAME: { key: (row) => `lower(${row}name COLLATE "C")`, isDescending: false },
};

/** The place of a row in an order. */
export interface ListPosition {
  readonly id: string;
  /** The value of the order's key: the name, A to Z in lower case. Null if the order has no key. */
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
  /**
   * SQL: the columns of a row.
   * @defaultValue those of the table
   */
  readonly columns?: string;
  /** SQL: the condition of the rows that the list has. */
  readonly visible?: string;
  /**
   * Columns between `owner` and `id` in an index, with all of their values; null: any, so that the index is used only
   * by a filter on the column. Each combination of values is read by a scan of its own, in the order of the list.
   */
  readonly indexed: Readonly<Record<string, readonly string[] | null>>;
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

  /** SQL of a condition. */
  readonly sqlOf = (condition: ListCondition): string => {
    if ('column' in condition) return `${condition.column} = ANY(${this.add(condition.values)}::text[])`;
    return condition.text.replace('?', () => this.add(condition.value));
  };
}

/** The rows of a list, as SQL. */
export interface ListRows {
  readonly table: Pick<ListTable<never, never>, 'table' | 'columns' | 'visible' | 'indexed'>;
  /** The owner. Ownership is a condition of every statement. */
  readonly owner: string;
  /** The column that all rows have in common, and its value; null for all rows of the owner. */
  readonly parent: { readonly column: string; readonly id: string } | null;
  readonly conditions: readonly ListCondition[];
}

/**
 * SQL that selects up to `limit` rows of a page, in reading direction. The rows are named as their table. The limit is part
 * of the text: for an unknown one PostgreSQL estimates so many rows that it would plan prepared statements at each use.
 */
export function selectPage(rows: ListRows, page: ListPage, limit: number, query: Parameters): string {
  const { table, columns = `${table}.*` } = rows.table;
  const branches = rows.parent || page.order === 'NAME' ? [] : branchesOf(rows);
  const branched = branches.map(({ column }) => column);
  const where = [
    ...membership(rows),
    ...rows.conditions
      .filter((condition) => !('column' in condition && branched.includes(condition.column)))
      .map(query.sqlOf),
    ...withinBranch(branched),
    ...beyond(page, query),
  ].join(' AND ');
  const sources = [
    ...branches.map(({ values }, index) => `unnest(${query.add(values)}::text[]) AS branch${index}(value)`),
    `LATERAL (SELECT * FROM ${table} WHERE ${where} ${orderBy(page, '', branched)} LIMIT ${limit}) AS ${table}`,
  ];
  return `SELECT ${columns} FROM ${sources.join(' CROSS JOIN ')} ${orderBy(page, `${table}.`)} LIMIT ${limit}`;
}

/** SQL: the number of rows on all pages. */
export function countRows(rows: ListRows, query: Parameters): string {
  return `(SELECT count(*)::int FROM ${rows.table.table} WHERE ${allOf(rows, query).join(' AND ')})`;
}

/** SQL: whether there are rows on the other side of the page's `from`, itself among them. */
export function existOthers(rows: ListRows, page: ListPage, query: Parameters): string {
  const where = [...allOf(rows, query), ...beyond(page, query, true)];
  return `EXISTS (SELECT FROM ${rows.table.table} WHERE ${where.join(' AND ')})`;
}

function allOf(rows: ListRows, query: Parameters): string[] {
  return [...membership(rows), ...rows.conditions.map(query.sqlOf)];
}

/**
 * SQL: the owner's rows among those of a parent. `IS TRUE` keeps PostgreSQL from reading all rows of the owner by an index
 * on the owner, since the parent has fewer.
 */
export function isOwnedBy(owner: string): string {
  return `(owner = ${owner}) IS TRUE`;
}

function membership({ table: { visible }, owner, parent }: ListRows): string[] {
  return [
    parent ? isOwnedBy(owner) : `owner = ${owner}`,
    ...(visible === undefined ? [] : [visible]),
    ...(parent ? [`${parent.column} = ${parent.id}`] : []),
  ];
}

/** The indexed columns with the values to scan; none if the filter has none of them, or a narrower condition. */
function branchesOf({
  table,
  conditions,
}: ListRows): { readonly column: string; readonly values: readonly string[] }[] {
  if (conditions.some((condition) => 'isNarrow' in condition && condition.isNarrow)) return [];
  const given = new Map(
    conditions.flatMap((condition) => ('column' in condition ? [[condition.column, condition.values]] : [])),
  );
  const indexed = Object.entries(table.indexed);
  if (!indexed.some(([column]) => given.has(column))) return [];
  return indexed.flatMap(([column, all]) => {
    const values = given.get(column) ?? all;
    return values ? [{ column, values: [...new Set(values)] }] : [];
  });
}

/** SQL: rows after `from` in reading direction, or the others; nothing if the page starts at an end of the list. */
function beyond({ order, isBackward, from }: ListPage, query: Parameters, others = false): string[] {
  if (!from) return [];
  const { key, isDescending } = orders[order];
  const after = isDescending === isBackward ? '>' : '<';
  const comparison = others ? { '>': '<=', '<': '>=' }[after] : after;
  const id = `${query.add(from.id)}::uuid`;
  if (!key) return [`id ${comparison} ${id}`];
  return [`(${key('')}, id) ${comparison} (${query.add(from.key)}::text, ${id})`];
}

/**
 * SQL: the columns have the values of the branch, written as a range. With equality the planner could take the columns
 * as constant in the order, and scan all rows of the owner in the order of their ids.
 */
function withinBranch(columns: readonly string[]): string[] {
  if (columns.length === 0) return [];
  const values = columns.map((_, index) => `branch${index}.value`).join(', ');
  return ['>=', '<='].map((comparison) => `(${columns.join(', ')}) ${comparison} (${values})`);
}

/** SQL: the order of a page in reading direction. */
export function orderBy({ order, isBackward }: ListPage, row = '', branch: readonly string[] = []): string {
  const { key, isDescending } = orders[order];
  const direction = isDescending === isBackward ? 'ASC' : 'DESC';
  const columns = [...branch, ...(key ? [key(row)] : []), `${row}id`];
  return `ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')}`;
}

/** SQL: the key of a row in an order; null if the order has no key. */
export function orderKey(order: ListOrder, row: string): string | null {
  return orders[order].key?.(`${row}.`) ?? null;
}

/** The place of a row in an order. */
export function positionOf(
  row: { readonly id: string; readonly name?: unknown },
  order: ListOrder,
): ListPosition {
  const hasKey = orders[order].key !== null;
  const key = hasKey ? String(row.name).replace(/[A-Z]/g, (letter) => letter.toLowerCase()) : null;
  return { id: row.id, key };
}
