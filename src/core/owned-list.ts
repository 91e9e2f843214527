import type { ProblemCollector } from './input-problems';
import type { ListCondition } from './list-conditions';
import { countRows, existOthers, selectPage } from './list-pages';
import { orderBy, Parameters, type ListPage, type ListRows, type ListTable } from './list-statements';
import { groupsOf, type Sql } from './sql';

/** The rows that lists of a field belong to: each has a list of its own, of the rows whose column has its UUID. */
export interface ListParents {
  readonly column: 'model_id' | 'generation_id' | 'webhook_id';
  readonly ids: readonly string[];
}

/** Which rows of an owner: filter, and parents if there are several lists. */
export interface ListScope<Filter> {
  readonly owner: string;
  readonly filter: Filter;
  readonly parents: ListParents | null;
  /** Conditions besides those of the filter. None of them is about a column that the filter is about. */
  readonly conditions?: readonly ListCondition[];
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

  /** Collects the problems of a filter. Required before its rows are read. */
  check(filter: Filter, problems: ProblemCollector): void {
    for (const { problem } of this.definition.conditionsOf(filter)) if (problem) problems.add(problem);
  }

  /** Reads up to `size` + 1 rows of each list, in reading direction, so that the caller can detect more rows. */
  async read(scope: ListScope<Filter>, page: ListPage): Promise<Row[][]> {
    const { entity, table } = this.definition;
    const { parents } = scope;
    const query = new Parameters();
    const rowsOfList = selectPage(this.rowsOf(scope, query), page, page.size + 1, query);
    const text = parents
      ? `SELECT ${table}.*, parent.id AS "parentId"
           FROM unnest(${query.add(parents.ids)}::uuid[]) AS parent(id) CROSS JOIN LATERAL (${rowsOfList}) AS ${table}
           ${orderBy(page, `${table}.`)}`
      : rowsOfList;
    const rows = await this.sql.entities<object, Row & { parentId?: string }>(entity, text, query.values);
    return parents ? groupsOf(parents.ids, rows, ({ parentId = null }) => parentId) : [rows];
  }

  /** Counts the rows of each list, on all pages. */
  count(scope: ListScope<Filter>): Promise<number[]> {
    return this.valueOf(scope, countRows);
  }

  /** Whether each list has rows on the other side of `from`, itself among them. */
  hasOthers(scope: ListScope<Filter>, page: ListPage): Promise<boolean[]> {
    return this.valueOf(scope, (rows, query) => existOthers(rows, page, query));
  }

  /** Reads columns of up to `limit` rows, the oldest first, by the names of the columns. */
  readColumns<Columns>(
    scope: ListScope<Filter>,
    columns: readonly (keyof Columns & string)[],
    limit: number,
    sql: Sql = this.sql,
  ): Promise<Columns[]> {
    const query = new Parameters();
    const page: ListPage = { order: 'OLDEST', size: limit, isBackward: false, from: null };
    const text = selectPage({ ...this.rowsOf(scope, query), columns }, page, limit, query);
    return sql.rows(text, query.values);
  }

  /** Whether the list has the row with an id. Reads it as it is, in the transaction that has locked it. */
  async includes(sql: Sql, scope: ListScope<Filter>, id: string): Promise<boolean> {
    const query = new Parameters();
    const { owner, conditions } = this.rowsOf(scope, query);
    const { table, visible = 'true' } = this.definition;
    const where = [`id = ${query.add(id)}`, `owner = ${owner}`, visible, ...conditions.map(query.sqlOf)];
    const rows = await sql.rows(`SELECT 1 FROM ${table} WHERE ${where.join(' AND ')}`, query.values);
    return rows.length > 0;
  }

  private async valueOf<Value>(
    scope: ListScope<Filter>,
    expression: (rows: ListRows, query: Parameters) => string,
  ): Promise<Value[]> {
    const { parents } = scope;
    const query = new Parameters();
    const value = expression(this.rowsOf(scope, query), query);
    const source =
      parents &&
      `FROM unnest(${query.add(parents.ids)}::uuid[]) WITH ORDINALITY AS parent(id, place) ORDER BY parent.place`;
    const rows = await this.sql.rows<{ value: Value }>(
      `SELECT ${value} AS value ${source ?? ''}`,
      query.values,
    );
    return rows.map((row) => row.value);
  }

  private rowsOf(
    { owner, filter, parents, conditions = [] }: ListScope<Filter>,
    query: Parameters,
  ): ListRows {
    return {
      table: this.definition,
      owner: query.add(owner),
      parent: parents && { column: parents.column, id: 'parent.id' },
      conditions: [...this.definition.conditionsOf(filter), ...conditions],
    };
  }
}
