import type { ColumnValues, ListCondition } from './list-conditions';
import {
  isOwnedBy,
  orderBy,
  orderOf,
  type ListPage,
  type ListRows,
  type Parameters,
} from './list-statements';

/**
 * SQL that selects up to `limit` rows of a page, in reading direction. The rows are named as their table. The limit is part
 * of the text: for an unknown one PostgreSQL estimates so many rows that it would plan prepared statements at each use.
 */
export function selectPage(rows: ListRows, page: ListPage, limit: number, query: Parameters): string {
  const { table } = rows.table;
  const scan = scanOf(rows, query);
  const isOneScan = scan.branches.length === 0;
  const source = isOneScan
    ? `${table} WHERE ${conditionsOf({ rows, scan, page, query })}`
    : read({ rows, scan, page, query }, limit);
  const order = orderBy(page, `${table}.`, isOneScan ? scan.first : []);
  return `SELECT ${columnsOf(rows)} FROM ${source} ${order} LIMIT ${limit}`;
}

function columnsOf({ columns, table: { table, computed = {} } }: ListRows): string {
  const names = columns ?? ['*', ...Object.keys(computed)];
  return names
    .map((name) => (Object.hasOwn(computed, name) ? `${computed[name]} AS ${name}` : `${table}.${name}`))
    .join(', ');
}

/** SQL: whether there are rows on the other side of the page's `from`, itself among them. */
export function existOthers(rows: ListRows, page: ListPage, query: Parameters): string {
  const others = { ...page, isBackward: !page.isBackward };
  const scan = scanOf(rows, query);
  return `EXISTS (SELECT FROM ${read({ rows, scan, page: others, query, includesFrom: '=' }, 1)})`;
}

/** SQL: the number of rows on all pages, from indexes alone if the conditions are about their columns. */
export function countRows(rows: ListRows, query: Parameters): string {
  const { table, owner, parent, conditions } = rows;
  const except = conditions.find((condition) => 'exceptText' in condition);
  const array = parent ? undefined : arrayIn(conditions);
  const values = parent ? [] : indexedValues(rows);
  const where = [
    ...(parent ? [`${parent.column} = ${parent.id}`, isOwnedBy(owner)] : [`owner = ${owner}`]),
    ...visibilityOf(rows),
    ...values.map(query.sqlOf),
    ...(array ? isOfBranch(array.array, 'branch.value') : []),
    ...outside([...values, ...(array ? [{ column: array.array }] : [])], conditions)
      .filter((condition) => condition !== except)
      .map(query.sqlOf),
  ];
  const arrays = array && distinctArrays(rows, array, query);
  const count = (more: readonly string[]): string => {
    const select = `SELECT count(*)::int AS number FROM ${table.table} WHERE ${[...where, ...more].join(' AND ')}`;
    if (arrays === undefined) return `(${select})`;
    return `(SELECT coalesce(sum(number), 0)::int FROM ${arrays} AS branch(value) CROSS JOIN LATERAL (${select}) AS counted)`;
  };
  return except ? `(${count([])} - ${count([except.exceptText])})` : count([]);
}

/** SQL: up to `limit` rows of each scan of a page. */
function read({ rows, scan, page, query, includesFrom = '' }: Reading, limit: number): string {
  const { table } = rows.table;
  const conditions = conditionsOf({ rows, scan, page, query, includesFrom });
  const sources = scan.branches.map(({ source }, index) => `${source} AS branch${index}(value)`);
  const select = `SELECT * FROM ${table} WHERE ${conditions} ${orderBy(page, '', scan.first)} LIMIT ${limit}`;
  return [...sources, `LATERAL (${select}) AS ${table}`].join(' CROSS JOIN ');
}

/** What is read of a list. */
interface Reading {
  readonly rows: ListRows;
  readonly scan: Scan;
  readonly page: ListPage;
  readonly query: Parameters;
  /** Whether the row at `from` is read, too. */
  readonly includesFrom?: '' | '=';
}

function conditionsOf({ rows, scan, page, query, includesFrom = '' }: Reading): string {
  return [...scan.where, ...visibilityOf(rows), ...beyond(page, query, includesFrom)].join(' AND ');
}

/** The conditions of a page, so that PostgreSQL reads the index that has its rows next to each other and in its order. */
interface Scan {
  /** The first column of the index, unless the planner is free to choose one. */
  readonly first: readonly string[];
  /** The columns of the index that follow; each combination of their values is a scan of its own. */
  readonly branches: readonly Branch[];
  readonly where: readonly string[];
}

/** Rows that refer to another row are read by the index on the reference, others by one on the owner and {@link branchesOf}. */
function scanOf(rows: ListRows, query: Parameters): Scan {
  const { owner, parent, conditions } = rows;
  if (parent) {
    const where = [`${parent.column} = ${parent.id}`, isOwnedBy(owner), ...conditions.map(query.sqlOf)];
    return { first: [], branches: [], where };
  }
  const reference = conditions.find((condition) => 'reference' in condition);
  if (reference) {
    const others = conditions.filter((condition) => condition !== reference).map(query.sqlOf);
    const where = [
      isOneOf(reference.reference, `${query.add(reference.id)}::uuid`),
      isOwnedBy(owner),
      ...others,
    ];
    return { first: [reference.reference], branches: [], where };
  }
  const branches = branchesOf(rows, query);
  const where = [
    isOneOf('owner', owner),
    ...branches.flatMap(({ column }, index) => isOfBranch(column, `branch${index}.value`)),
    ...outside(branches, conditions).map(query.sqlOf),
  ];
  return { first: ['owner'], branches, where };
}

/**
 * SQL: equality that the planner does not take for a constant. It leaves constant columns out of an order, and then may read the
 * rows of all owners in the order of their ids.
 */
function isOneOf(column: string, value: string): string {
  return `${column} = ANY(ARRAY[${value}])`;
}

/**
 * SQL: equality with a range that follows from it. The range lowers the number of rows that the planner expects; otherwise, where
 * statistics have one value only, it may read all rows of the owner to find another one.
 */
function isOfBranch(column: string, value: string): string[] {
  return ['=', '>=', '<='].map((comparison) => `${column} ${comparison} ${value}`);
}

interface Branch {
  readonly column: string;
  /** SQL: the values to read, as rows of one column. */
  readonly source: string;
}

function branchesOf(rows: ListRows, query: Parameters): Branch[] {
  const array = arrayIn(rows.conditions);
  return [
    ...(array ? [{ column: array.array, source: distinctArrays(rows, array, query) }] : []),
    ...indexedValues(rows).map(({ column, values }) => ({
      column,
      source: `unnest(${query.array(values)})`,
    })),
  ];
}

/** The indexed columns with the values to read; none if no condition is about one of them or about an array. */
function indexedValues({
  table,
  conditions,
}: ListRows): { readonly column: string; readonly values: ColumnValues }[] {
  const given = new Map(
    conditions.flatMap((condition) => ('column' in condition ? [[condition.column, condition.values]] : [])),
  );
  const indexed = Object.entries(table.indexed);
  if (!arrayIn(conditions) && !indexed.some(([column]) => given.has(column))) return [];
  return indexed.flatMap(([column, all]) => {
    const values = given.get(column) ?? all;
    return values ? [{ column, values: [...new Set(values)] }] : [];
  });
}

type ArrayCondition = Extract<ListCondition, { array: string }>;

/** The condition on an array whose index is read: none if rows that refer to another row are read. */
function arrayIn(conditions: readonly ListCondition[]): ArrayCondition | undefined {
  if (conditions.some((condition) => 'reference' in condition)) return undefined;
  return conditions.find((condition) => 'array' in condition);
}

/** SQL: the arrays of the owner's rows that have one of the values. The index is entered once for each array that the owner has. */
function distinctArrays(
  { table: { table }, owner }: ListRows,
  { array, values }: ArrayCondition,
  query: Parameters,
): string {
  const next = (more: string): string =>
    `(SELECT ${array} AS value FROM ${table} WHERE ${isOneOf('owner', owner)} AND ${more} ORDER BY owner, ${array} LIMIT 1)`;
  return `(WITH RECURSIVE arrays AS (
    ${next(`${array} IS NOT NULL`)}
    UNION ALL SELECT ${next(`${array} > arrays.value`)} FROM arrays WHERE arrays.value IS NOT NULL)
    SELECT value FROM arrays WHERE value && ${query.array(values)})`;
}

/** The conditions that are not about these columns. */
function outside(
  branches: readonly Pick<Branch, 'column'>[],
  conditions: readonly ListCondition[],
): ListCondition[] {
  const columns = branches.map(({ column }) => column);
  const columnOf = (condition: ListCondition): string =>
    'column' in condition ? condition.column : 'array' in condition ? condition.array : '';
  return conditions.filter((condition) => !columns.includes(columnOf(condition)));
}

function visibilityOf({ table: { visible } }: ListRows): string[] {
  return visible === undefined ? [] : [visible];
}

/** SQL: rows after `from` in reading direction, or also the one at `from`; nothing if the page starts at an end of the list. */
function beyond(page: ListPage, query: Parameters, includesFrom: '' | '='): string[] {
  const { from } = page;
  if (!from) return [];
  const { key, isAscending } = orderOf(page);
  const comparison = `${isAscending ? '>' : '<'}${includesFrom}`;
  const id = `${query.add(from.id)}::uuid`;
  if (key === null) return [`id ${comparison} ${id}`];
  return [`(${key.sql}, id) ${comparison} (${query.add(from.key)}::${key.type}, ${id})`];
}
