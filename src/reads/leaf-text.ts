import {
  getNamedType,
  getNullableType,
  isEnumType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  type FieldNode,
  type GraphQLEnumType,
  type GraphQLLeafType,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { InvalidValue, invalidValue, literal, orNull, type JsonSql } from './statement';

/** Collects the selected fields of an object type, by response key. */
export type Collect = (
  type: GraphQLObjectType,
  nodes: readonly FieldNode[],
) => ReadonlyMap<string, readonly FieldNode[]>;

/** How a column is written as JSON, by the name of the GraphQL type. Times have milliseconds, as Dates have. */
const notations: Readonly<Record<string, (column: string) => string>> = {
  ID: (column) => `to_json(${column})::text`,
  String: (column) => `to_json(${column})::text`,
  Int: (column) => `${column}::text`,
  Boolean: (column) => `${column}::text`,
  DateTime: (column) => `to_char(${column} AT TIME ZONE 'UTC', '"\\""YYYY-MM-DD"T"HH24:MI:SS.MS"Z\\""')`,
};

/**
 * SQL: the JSON text of a column.
 * @returns null if values of the type cannot be written by SQL
 */
export function columnText(type: GraphQLOutputType, column: string): JsonSql | null {
  const leaf = getNullableType(type);
  const isNullable = !isNonNullType(type);
  if (isEnumType(leaf)) return enumText(leaf, isNullable, column);
  const notation = isLeafType(leaf) ? notations[leaf.name] : undefined;
  return notation ? orNull(notation(column), isNullable) : null;
}

/** Only values of the enum are written: a newer version of the program may have stored others. */
function enumText(type: GraphQLEnumType, isNullable: boolean, column: string): JsonSql {
  const cases = type
    .getValues()
    .map(({ name, value }) => `WHEN ${literal(String(value))} THEN ${literal(`"${name}"`)}`);
  const whenNull = isNullable ? `WHEN ${column} IS NULL THEN 'null'` : '';
  const known = `CASE ${column} ${cases.join(' ')} ELSE ${invalidValue} END`;
  return whenNull ? `CASE ${whenNull} ELSE ${known} END` : known;
}

/** Writes a value as JSON text. */
type Write = (value: unknown) => string;

/**
 * Returns the function that writes values of a type as graphql-js does, with the selected fields of objects.
 * It throws InvalidValue for a value that the type does not have.
 */
export function valueWriter(type: GraphQLOutputType, nodes: readonly FieldNode[], collect: Collect): Write {
  const nullable = getNullableType(type);
  const write = nullableWriter(nullable, nodes, collect);
  const isNullable = nullable === type;
  return (value) => {
    if (value != null) return write(value);
    if (isNullable) return 'null';
    throw new InvalidValue();
  };
}

function nullableWriter(type: GraphQLOutputType, nodes: readonly FieldNode[], collect: Collect): Write {
  if (isListType(type)) {
    const write = valueWriter(type.ofType, nodes, collect);
    return (values) => `[${(values as readonly unknown[]).map(write).join(',')}]`;
  }
  const named = getNamedType(type);
  if (isLeafType(named)) return (value) => leafText(named, value);
  if (!isObjectType(named)) throw new InvalidValue();
  const members = [...collect(named, nodes)].map(([key, fields]) =>
    memberWriter(named, key, fields, collect),
  );
  return (value) => `{${members.map((write) => write(value)).join(',')}}`;
}

function leafText(type: GraphQLLeafType, value: unknown): string {
  try {
    return JSON.stringify(type.serialize(value));
  } catch {
    throw new InvalidValue();
  }
}

function memberWriter(
  type: GraphQLObjectType,
  key: string,
  nodes: readonly FieldNode[],
  collect: Collect,
): Write {
  const name = nodes[0]!.name.value;
  if (name === '__typename') return () => `"${key}":"${type.name}"`;
  const write = valueWriter(type.getFields()[name]!.type, nodes, collect);
  return (value) => `"${key}":${write((value as Readonly<Record<string, unknown>>)[name])}`;
}

/** The row with these properties. */
export function rowOf(properties: readonly string[], values: readonly unknown[]): Record<string, unknown> {
  const row: Record<string, unknown> = {};
  properties.forEach((property, index) => (row[property] = values[index]));
  return row;
}
