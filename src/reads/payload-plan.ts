import { getNamedType, getNullableType, isListType, type FieldNode } from 'graphql';
import {
  NotPlannable,
  objectTypeOf,
  type Definition,
  type RowScope,
  type SelectionPlanner,
  type TextIn,
} from './plan-types';
import type { RowTable } from './source';
import { InvalidValue, literal, type JsonSql, type Row } from './statement';

/**
 * Plans the payload of a mutation. Its objects have the rows that the mutation returned, which are a parameter, so that
 * they show its own change and no later one; what belongs to them is read.
 * @throws NotPlannable `empty` if the rows that the mutation returned are enough
 */
export function planPayload(
  planner: SelectionPlanner,
  definition: Definition,
  nodes: readonly FieldNode[],
): TextIn<RowScope> {
  const payload = objectTypeOf(definition);
  const others: string[] = [];
  const textOf = planner.members<RowScope>(payload, nodes, (name, fieldNodes) => {
    const field = payload.getFields()[name]!;
    const returned = planner.nodes.get(getNamedType(field.type).name)?.returned;
    if (returned) return planReturned(planner, returned, field, fieldNodes);
    others.push(name);
    return () => literal('null');
  });
  if (!planner.readsRows) throw new NotPlannable('empty');
  if (others.length > 0) throw new NotPlannable('field');
  return textOf;
}

/** Plans a field of the payload that has one returned row, or a list of them. */
function planReturned(
  planner: SelectionPlanner,
  table: RowTable,
  { name, type }: Definition,
  nodes: readonly FieldNode[],
): TextIn<RowScope> {
  const object = planner.object(getNamedType(type).name, nodes);
  const isList = isListType(getNullableType(type));
  return ({ statement }) => {
    const row = statement.row();
    const text = object({ statement, row });
    const names = row.columns.map((column) => [column, propertyOf(column)] as const);
    const given = `${statement.addInput(({ payload }) => returnedRows(payload?.[name], names))}::jsonb`;
    return isList ? listText(table, row, text, given) : `(SELECT ${text} FROM ${rowsOf(table, row, given)})`;
  };
}

function listText(table: RowTable, row: Row, text: JsonSql, given: string): JsonSql {
  const items = `coalesce(string_agg(${text}, ',' ORDER BY ${row.alias}.place), '')`;
  return `(SELECT '[' || ${items} || ']' FROM ${rowsOf(table, row, given, true)})`;
}

/** SQL: the rows in a JSON text, with the columns of the table. Those that the table computes have the value in the text. */
function rowsOf({ table, computed = {} }: RowTable, row: Row, given: string, isList = false): string {
  const items = isList ? `jsonb_array_elements(${given}) WITH ORDINALITY` : `(SELECT ${given}, 1)`;
  const columns = row.columns.map((name) =>
    Object.hasOwn(computed, name) ? `item.value -> ${literal(name)} AS ${name}` : `returned.${name}`,
  );
  return `(SELECT item.place, ${columns.join(', ')} FROM ${items} AS item(value, place),
    jsonb_populate_record(NULL::${table}, item.value) AS returned) AS ${row.alias}`;
}

/** A column, and the property of an entity that has its value. */
type Names = readonly (readonly [column: string, property: string])[];

/** The columns that are read of a row that a mutation returned, or of a list of them, as JSON. */
function returnedRows(value: unknown, names: Names): string {
  return JSON.stringify(
    Array.isArray(value) ? value.map((row) => columnsOf(row, names)) : columnsOf(value, names),
  );
}

/** @throws InvalidValue if the row does not have all columns */
function columnsOf(row: unknown, names: Names): object {
  const values = (row ?? {}) as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    names.map(([column, property]) => {
      if (values[property] === undefined) throw new InvalidValue();
      return [column, values[property]];
    }),
  );
}

/** The property of an entity that has a column: the inverse of `snakeName`. */
function propertyOf(column: string): string {
  return column.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
