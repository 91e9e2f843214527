import type { NodeKind } from '../core/ids';
import type { ListCondition } from '../core/list-conditions';
import type { ListOrder, ListTable } from '../core/list-statements';
import type { PageArgs } from '../graphql/connection';

/** The arguments of a field, coerced by its definition in the schema. */
export type FieldArguments = Readonly<Record<string, unknown>>;

/** A column, by the name of its property in the entity. The GraphQL type of the field determines its notation. */
export interface ColumnSource {
  readonly kind: 'column';
  readonly property: string;
}

/** The global id, from the row's UUID. */
export interface IdSource {
  readonly kind: 'id';
}

/** What the SQL of a fact refers to. */
export interface FactScope {
  /** SQL: a column of the row, by its name. */
  readonly column: (name: string) => string;
  /** SQL: the owner. */
  readonly owner: string;
  /** SQL: the viewer's scopes, as a JSON array. */
  readonly scopes: () => string;
}

/** SQL of values that a computed value needs besides properties of the row, by name. */
export type Facts<Name extends string = string> = Readonly<Record<Name, (scope: FactScope) => string>>;

/** A value that is computed in this process, by the function that the field's resolver calls. */
export interface ComputedSource {
  readonly kind: 'computed';
  /** The properties of the row that `compute` receives, with values as in JSON: times are text. */
  readonly needs: readonly string[];
  /** What `compute` receives as further properties, with values as in JSON. */
  readonly facts: Facts;
  readonly compute: (row: never, args: FieldArguments) => unknown;
  /** Whether the facts are read of few rows only, so that they alone are no reason to read anything. */
  readonly readsSeldom?: boolean;
  /** The property whose value the field has in rows where another is null; PostgreSQL then writes it. */
  readonly unless?: { readonly isNull: string; readonly property: string };
}

/** The object whose UUID is in a column; null if the owner has none with this UUID. */
export interface ReferenceSource {
  readonly kind: 'reference';
  readonly type: NodeKind;
  /** The property of the row that has the UUID. */
  readonly key: string;
}

/** Objects that belong to the row, in order: all of them for a field of a list type, otherwise at most one. */
export interface RowsSource {
  readonly kind: 'rows';
  readonly type: NodeKind;
  /** SQL that selects the rows. All parameters are SQL: the UUID of the parent, the owner, and the columns to read. */
  readonly select: (parentId: string, owner: string, columns: string) => string;
  /**
   * The number of rows, from the first on, that the arguments ask for; null: all. Absent: all.
   * @throws DomainError as the field's resolver
   */
  readonly firstOf?: (args: never) => number | null;
}

/** Which rows a connection has, and in which order. */
export interface ConnectionQuery {
  readonly page: PageArgs;
  readonly orderBy: ListOrder;
  readonly conditions: readonly ListCondition[];
}

/** Pages of a list of the owner's rows, or of those that belong to the row. */
export interface ConnectionSource {
  readonly kind: 'connection';
  /** The type of its nodes. */
  readonly type: string;
  readonly table: Pick<ListTable<never, never>, 'table' | 'computed' | 'visible' | 'indexed'>;
  /** The column that has the UUID of the row that the list belongs to; null: all rows of the owner. */
  readonly parentColumn: string | null;
  /** @throws DomainError as the field's resolver */
  readonly queryOf: (args: never) => ConnectionQuery;
}

/** The object with the global id in the argument `id`; null if the owner has none. */
export interface LookupSource {
  readonly kind: 'lookup';
  /** The types that the field returns. */
  readonly types: readonly NodeKind[];
}

/** The objects with the global ids in the argument `ids`, in their order; null where the owner has none. */
export interface LookupsSource {
  readonly kind: 'lookups';
  /** The types that the field returns. */
  readonly types: readonly NodeKind[];
  /** Requests with more ids are left to the resolvers, which refuse them. */
  readonly maxIds: number;
}

/** An object that always exists. */
export interface ObjectSource {
  readonly kind: 'object';
  readonly fields: Readonly<Record<string, ComputedSource>>;
}

/** What a field of `Query` is read from. */
export type RootSource = ConnectionSource | LookupSource | LookupsSource | ObjectSource;

/** What a field of an object is read from. */
export type FieldSource =
  ColumnSource | IdSource | ComputedSource | ReferenceSource | RowsSource | ConnectionSource;

/** What an object type is made of. */
export interface TypeSource {
  readonly type: string;
  /** Fields without a source are left to the resolvers. */
  readonly fields: Readonly<Record<string, FieldSource>>;
}

/** A table, and SQL of the columns that its rows have besides, by their names. */
export type RowTable = Pick<ListTable<never, never>, 'table' | 'computed'>;

/** What an object type with global ids is made of. */
export interface NodeSource extends TypeSource {
  readonly type: NodeKind;
  /** The table of the rows that mutations return as objects of this type. Absent: such payloads are left to the resolvers. */
  readonly returned?: RowTable;
  /** SQL that selects the row with a UUID if it belongs to the owner. Both parameters are SQL. */
  readonly select: (id: string, owner: string) => string;
}

/** What is read by planned statements: types, and fields of `Query`. */
export interface ReadSources {
  readonly nodes: readonly NodeSource[];
  /** Types whose objects are only read as nodes of a connection. */
  readonly types: readonly TypeSource[];
  readonly roots: Readonly<Record<string, RootSource>>;
}

/** Sources of fields that are columns of the same name. */
export function columns<Name extends string>(...names: Name[]): Record<Name, ColumnSource> {
  const sources = names.map((property) => [property, { kind: 'column', property }]);
  return Object.fromEntries(sources) as Record<Name, ColumnSource>;
}

/**
 * The source of pages of a table.
 * @param parentColumn - see {@link ConnectionSource}
 * @param filterOf - the filter in the arguments, as the field's resolver reads it
 */
export function connection<Row, Filter>(
  type: NodeKind,
  table: ListTable<Row, Filter>,
  parentColumn: string | null,
  filterOf: (args: never) => Filter,
): ConnectionSource {
  const queryOf = (args: never): ConnectionQuery => ({
    page: args,
    orderBy: (args as { readonly orderBy: ListOrder }).orderBy,
    conditions: checkConditions(table.conditionsOf(filterOf(args))),
  });
  return { kind: 'connection', type, table, parentColumn, queryOf };
}

/** @throws the problem of the first condition that is refused */
export function checkConditions(conditions: ListCondition[]): ListCondition[] {
  for (const { problem } of conditions) if (problem) throw problem;
  return conditions;
}

/** The source of a field that is computed from properties of the row. */
export function computed<Row, Property extends keyof Row & string>(
  needs: readonly Property[],
  compute: (row: Pick<Row, Property>, args: FieldArguments) => unknown,
  unless?: { readonly isNull: Property; readonly property: Property },
): ComputedSource {
  return { kind: 'computed', needs, facts: {}, compute, unless };
}

/** The same source, whose facts are read of few rows only. */
export function seldom(source: ComputedSource): ComputedSource {
  return { ...source, readsSeldom: true };
}

/** The source of a field that is computed from properties of the row and from facts. */
export function computedWith<Known extends object, Row, Property extends keyof Row & string>(
  facts: Facts<keyof Known & string>,
  needs: readonly Property[],
  compute: (row: Pick<Row, Property> & Known) => unknown,
): ComputedSource {
  return { kind: 'computed', needs, facts, compute };
}
