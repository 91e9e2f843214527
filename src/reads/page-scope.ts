import { countRows, existOthers, selectPage } from '../core/list-pages';
import type { ListPage, ListRows } from '../core/list-statements';
import type { JsonSql, Row, Statement } from './statement';

/** A page of one request, while its SQL is made. */
export class PageScope {
  /** A row of the page. */
  readonly row: Row;
  private readonly totals: string;
  /** Aggregates over the rows, as functions of `FILTER` and `ORDER BY`, whose text is known at the end. */
  private readonly aggregates: ((order: string, filter: string) => string)[] = [];
  private readsOneMore = false;

  constructor(
    readonly statement: Statement,
    readonly page: ListPage,
    private readonly rows: ListRows,
  ) {
    this.row = statement.row();
    this.totals = statement.row().alias;
  }

  /** SQL: the texts of all rows, separated by commas; empty for an empty page. */
  join(text: JsonSql): string {
    return this.aggregate((order, filter) => `coalesce(string_agg(${text}, ','${order})${filter}, '')`);
  }

  /** SQL: an array of the values of all rows; null for an empty page. */
  values(value: string): string {
    return this.aggregate((order, filter) => `array_agg(${value}${order})${filter}`);
  }

  /** SQL: whether there are more rows in reading direction. */
  hasMore(): string {
    this.readsOneMore = true;
    return `${this.aggregate(() => 'count(*)')} > ${this.page.size}`;
  }

  /** SQL: whether there are rows on the other side of the cursor that was given. */
  hasOthers(): string {
    return this.page.from === null ? 'false' : existOthers(this.rows, this.page, this.statement);
  }

  /** SQL: the number of rows on all pages. */
  count(): string {
    return countRows(this.rows, this.statement);
  }

  /** SQL: `text`, which was made from the other methods. Without any of them, no row is read. */
  select(text: JsonSql): JsonSql {
    const { aggregates, page, row, statement, totals } = this;
    if (aggregates.length === 0) return text;
    const limit = page.size + (this.readsOneMore ? 1 : 0);
    const filter = this.readsOneMore ? ` FILTER (WHERE ${row.alias}.place <= ${page.size})` : '';
    // Rows are read, and so aggregated, in reading direction, which is the opposite of the list's for `last`.
    const order = page.isBackward ? ` ORDER BY ${row.alias}.place DESC` : '';
    const read = selectPage({ ...this.rows, columns: row.columns }, page, limit, statement);
    const placed = `SELECT read.*, row_number() OVER () AS place FROM (${read}) AS read`;
    const columns = aggregates.map((aggregate, index) => `${aggregate(order, filter)} AS a${index}`);
    return `(SELECT ${text} FROM (SELECT ${columns.join(', ')}
      FROM (${filter === '' && order === '' ? read : placed}) AS ${row.alias}) AS ${totals})`;
  }

  private aggregate(sql: (order: string, filter: string) => string): string {
    this.aggregates.push(sql);
    return `${this.totals}.a${this.aggregates.length - 1}`;
  }
}
