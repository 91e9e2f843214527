import type { ListCondition } from './list-conditions';
import { groupsOf, type EntityClass, type Sql } from './sql';

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
  /** @throws DomainError INVALID_INPUT */
  readonly conditionsOf: (filter: Filter) => ListCondition[];
}

/** The rows that lists of a field belong to: each has a list of its own, of the rows whose column has its UUID. */
export interface ListParents {
  readonly column: 'model_id';
  readonly ids: readonly string[];
}

/** Which rows of an owner: filter, and parents if there are several lists. */
export interface ListScope<Filter> {
  readonly owner: string;
  readonly filter: Filter;
  readonly parents: ListParents | null;
}

/** Reads pages of an owner's rows. Every method takes one statement, also for the lists of several parents. */
export class OwnedList<Row extends { id: string }, Filter> {
  constructor(
    private readonly sql: Sql,
    private readonly definition: ListTable<Row, Filter>,
  ) {}

  /** The table, which identifies the list. */
  get name(): string {
    return this.definition.table;
  }

  /** Reads up to `size` + 1 rows of each list, in reading direction, so that the caller can detect more rows. */
  async read(scope: ListScope<Filter>, page: ListPage): Promise<Row[][]> {
    const { entity, table, columns = `${table}.*` } = this.definition;
    const { parents } = scope;
    const query = new Parameters();
    const conditions = this.definition.conditionsOf(scope.filter);
    const branches = parents || page.order === 'NAME' ? [] : this.branchesOf(conditions);
    const branched = new Set(branches.map(({ column }) => column));
    const where = [
      ...this.where(scope, query),
      ...conditions
        .filter((condition) => !('column' in condition && branched.has(condition.column)))
        .map(query.sqlOf),
      ...withinBranch(branches.map(({ column }) => column)),
      ...beyond(page, query),
    ].join(' AND ');
    const limit = query.add(page.size + 1);
    const sources = [
      ...(parents ? [`unnest(${query.add(parents.ids)}::uuid[]) AS parent(id)`] : []),
      ...branches.map(({ values }, index) => `unnest(${query.add(values)}::text[]) AS branch${index}(value)`),
      `LATERAL (SELECT * FROM ${table} WHERE ${where} ${orderBy(
        page,
        '',
        branches.map(({ column }) => column),
      )} LIMIT ${limit}) AS ${table}`,
    ];
    const rows = await this.sql.entities<object, Row & { parentId?: string }>(
      entity,
      `SELECT ${columns}${parents ? ', parent.id AS "parentId"' : ''} FROM ${sources.join(' CROSS JOIN ')}
       ${orderBy(page, `${table}.`)} ${parents ? '' : `LIMIT ${limit}`}`,
      query.values,
    );
    return parents ? groupsOf(parents.ids, rows, ({ parentId = null }) => parentId) : [rows];
  }

  /** Counts the rows of each list, on all pages. */
  count(scope: ListScope<Filter>): Promise<number[]> {
    return this.valueOf(scope, null, (rows) => `(SELECT count(*)::int ${rows})`);
  }

  /** Whether each list has rows on the other side of `from`, itself among them. */
  hasOthers(scope: ListScope<Filter>, page: ListPage): Promise<boolean[]> {
    return this.valueOf(scope, page, (rows) => `EXISTS (SELECT ${rows})`);
  }

  private async valueOf<Value>(
    scope: ListScope<Filter>,
    othersOf: ListPage | null,
    expression: (rows: string) => string,
  ): Promise<Value[]> {
    const { parents, filter } = scope;
    const query = new Parameters();
    const where = [
      ...this.where(scope, query),
      ...this.definition.conditionsOf(filter).map(query.sqlOf),
      ...(othersOf ? beyond(othersOf, query, true) : []),
    ];
    const value = expression(`FROM ${this.definition.table} WHERE ${where.join(' AND ')}`);
    const source =
      parents &&
      `FROM unnest(${query.add(parents.ids)}::uuid[]) WITH ORDINALITY AS parent(id, place) ORDER BY parent.place`;
    const rows = await this.sql.rows<{ value: Value }>(
      `SELECT ${value} AS value ${source ?? ''}`,
      query.values,
    );
    return rows.map((row) => row.value);
  }

  /** Ownership first: it is a condition of every statement. */
  private where({ owner, parents }: ListScope<Filter>, query: Parameters): string[] {
    const { visible } = this.definition;
    return [
      `owner = ${query.add(owner)}`,
      ...(visible === undefined ? [] : [visible]),
      ...(parents ? [`${parents.column} = parent.id`] : []),
    ];
  }

  /** The indexed columns with the values to scan; none if the filter has none of them, or a narrower condition. */
  private branchesOf(conditions: readonly ListCondition[]): { column: string; values: readonly string[] }[] {
    if (conditions.some((condition) => 'isNarrow' in condition && condition.isNarrow)) return [];
    const given = new Map(
      conditions.flatMap((condition) =>
        'column' in condition ? [[condition.column, condition.values]] : [],
      ),
    );
    const indexed = Object.entries(this.definition.indexed);
    if (!indexed.some(([column]) => given.has(column))) return [];
    return indexed.flatMap(([column, all]) => {
      const values = given.get(column) ?? all;
      return values ? [{ column, values: [...new Set(values)] }] : [];
    });
  }
}

/** Parameters of a statement, in their order. */
class Parameters {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }

  readonly sqlOf = (condition: ListCondition): string => {
    if ('column' in condition) return `${condition.column} = ANY(${this.add(condition.values)}::text[])`;
    return condition.text.replace('?', () => this.add(condition.value));
  };
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

function orderBy({ order, isBackward }: ListPage, row = '', branch: readonly string[] = []): string {
  const { key, isDescending } = orders[order];
  const direction = isDescending === isBackward ? 'ASC' : 'DESC';
  const columns = [...branch, ...(key ? [key(row)] : []), `${row}id`];
  return `ORDER BY ${columns.map((column) => `${column} ${direction}`).join(', ')}`;
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
