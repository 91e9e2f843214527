import type { ProblemCollector } from './input-problems';
import { countRows, existOthers, selectPage } from './list-pages';
import { orderBy, Parameters, type ListPage, type ListRows, type ListTable } from './list-statements';
import { groupsOf, type Sql } from './sql';

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

  private rowsOf({ owner, filter, parents }: ListScope<Filter>, query: Parameters): ListRows {
    return {
      table: this.definition,
      owner: query.add(owner),
      parent: parents && { column: parents.column, id: 'parent.id' },
      conditions: this.definition.conditionsOf(filter),
    };
  }
}
