import {
  getArgumentValues,
  getNullableType,
  GraphQLError,
  Kind,
  type FieldNode,
  type GraphQLList,
  type GraphQLOutputType,
} from 'graphql';
import { readGlobalId, type NodeKind } from '../core/ids';
import type { Definition, RowScope, SelectionPlanner, TextIn } from './plan-types';
import type { LookupSource, LookupsSource } from './source';
import { literal, type Statement, type StatementInput } from './statement';

/** Plans the object with a global id. The statement depends on the type in the id only. */
export function planLookup(
  planner: SelectionPlanner,
  { types }: LookupSource,
  definition: Definition,
  nodes: readonly FieldNode[],
): TextIn<RowScope> {
  const idOf = readsId(planner, definition, nodes[0]!);
  const objects = new Map(types.map((kind) => [kind, planner.single(kind, definition.type, nodes)]));
  return ({ statement }) => {
    const { kind, parameter } = idOf(statement);
    const textOf = kind && objects.get(kind);
    if (!textOf) return literal('null');
    return textOf(statement, () => planner.select(kind, `${parameter()}::uuid`, statement.owner));
  };
}

/** The type of the global id in the argument `id`, null for another text; and the parameter of its UUID. */
function readsId(
  { uses }: SelectionPlanner,
  definition: Definition,
  node: FieldNode,
): (statement: Statement) => { kind: NodeKind | null; parameter: () => string } {
  const { value } = node.arguments!.find(({ name }) => name.value === 'id')!;
  const name = value.kind === Kind.VARIABLE ? value.name.value : null;
  if (name !== null) uses.ids.add(name);
  return (statement) => {
    const { id } = getArgumentValues(definition, node, statement.variables);
    const read = readGlobalId(String(id));
    const parameter = (): string =>
      name === null
        ? statement.add(read!.id)
        : statement.addInput(({ variables }) => readGlobalId(String(variables[name]))!.id);
    return { kind: read?.kind ?? null, parameter };
  };
}

/** Plans the objects with several global ids, which are parameters of the statement. */
export function planLookups(
  planner: SelectionPlanner,
  { types, maxIds }: LookupsSource,
  definition: Definition,
  nodes: readonly FieldNode[],
): TextIn<RowScope> {
  const { ofType } = getNullableType(definition.type) as GraphQLList<GraphQLOutputType>;
  const objects = types.map((kind) => [kind, planner.single(kind, ofType, nodes)] as const);
  const idsIn = ({ variables }: StatementInput): ReturnType<typeof readGlobalId>[] => {
    const { ids } = getArgumentValues(definition, nodes[0]!, variables) as { ids: readonly string[] };
    if (ids.length > maxIds) throw new GraphQLError('Too many ids.');
    return ids.map(readGlobalId);
  };
  return ({ statement }) => {
    const kinds = statement.addInput((input) => arrayOf(idsIn(input).map((read) => read?.kind)));
    const uuids = statement.addInput((input) => arrayOf(idsIn(input).map((read) => read?.id)));
    const { alias } = statement.row();
    const cases = objects.map(([kind, textOf]) => {
      const text = textOf(statement, () => planner.select(kind, `${alias}.uuid`, statement.owner));
      return `WHEN ${literal(kind)} THEN ${text}`;
    });
    const text = `CASE ${alias}.kind ${cases.join(' ')} ELSE 'null' END`;
    return `(SELECT '[' || coalesce(string_agg(${text}, ',' ORDER BY ${alias}.place), '') || ']'
      FROM unnest(${kinds}::text[], ${uuids}::uuid[]) WITH ORDINALITY AS ${alias}(kind, uuid, place))`;
  };
}

/** An array of PostgreSQL as text. The values are names of types, and UUIDs. */
function arrayOf(values: readonly (string | undefined)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join()}}`;
}
