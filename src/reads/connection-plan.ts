import type { FieldNode } from 'graphql';
import { orderKey, type ListOrder, type ListPage } from '../core/list-statements';
import { cursorPrefixes, readPage } from '../graphql/connection';
import { PageScope } from './page-scope';
import {
  objectTypeOf,
  type Definition,
  type RowScope,
  type SelectionPlanner,
  type TextIn,
} from './plan-types';
import type { ConnectionSource } from './source';
import { literal, orNull, type JsonSql, type Row } from './statement';

/** A row of a page. */
interface EdgeScope extends RowScope {
  readonly page: ListPage;
}

/** Plans a connection: a select of its page, and one more each for its count and for rows before the page. */
export function planConnection(
  planner: SelectionPlanner,
  source: ConnectionSource,
  definition: Definition,
  nodes: readonly FieldNode[],
): TextIn<RowScope> {
  const argumentsOf = planner.argumentsOf(definition, nodes[0]!);
  const planPart = (name: string, fieldNodes: readonly FieldNode[]): TextIn<PageScope> | null => {
    switch (name) {
      case 'edges':
        return planEdges(planner, source, definition, fieldNodes);
      case 'nodes':
        return listOf(planner.object(source.type, fieldNodes));
      case 'pageInfo':
        return planPageInfo(planner, definition, fieldNodes);
      case 'totalCount':
        return (scope) => `${scope.count()}::text`;
      default:
        return null;
    }
  };
  const textOf = planner.members(objectTypeOf(definition), nodes, planPart);
  return ({ statement, row }) => {
    const { page, orderBy, conditions } = source.queryOf(argumentsOf(statement) as never);
    const parent =
      source.parentColumn === null ? null : { column: source.parentColumn, id: row.column('id') };
    const rows = { table: source.table, owner: statement.owner, parent, conditions };
    const scope = new PageScope(statement, readPage(page, orderBy), rows);
    return scope.select(textOf(scope));
  };
}

function planEdges(
  planner: SelectionPlanner,
  { type }: ConnectionSource,
  connection: Definition,
  nodes: readonly FieldNode[],
): TextIn<PageScope> {
  const edges = objectTypeOf(connection).getFields().edges!;
  return listOf(
    planner.members<EdgeScope>(objectTypeOf(edges), nodes, (name, fieldNodes) => {
      if (name === 'node') return planner.object(type, fieldNodes);
      return name === 'cursor' ? ({ page, row }) => cursorText(page.order, row) : null;
    }),
  );
}

function listOf(item: TextIn<EdgeScope>): TextIn<PageScope> {
  return (scope) => `'[' || ${scope.join(item(scope))} || ']'`;
}

function planPageInfo(
  planner: SelectionPlanner,
  connection: Definition,
  nodes: readonly FieldNode[],
): TextIn<PageScope> {
  const pageInfo = objectTypeOf(connection).getFields().pageInfo!;
  const cursors = (scope: PageScope): string => scope.values(cursorText(scope.page.order, scope.row));
  const facts: Readonly<Record<string, TextIn<PageScope>>> = {
    hasNextPage: (scope) => `(${scope.page.isBackward ? scope.hasOthers() : scope.hasMore()})::text`,
    hasPreviousPage: (scope) => `(${scope.page.isBackward ? scope.hasMore() : scope.hasOthers()})::text`,
    startCursor: (scope) => orNull(`${cursors(scope)}[1]`, true),
    endCursor: (scope) => {
      const all = cursors(scope);
      return orNull(`${all}[cardinality(${all})]`, true);
    },
  };
  return planner.members(objectTypeOf(pageInfo), nodes, (name) => facts[name] ?? null);
}

/** SQL: the JSON text of a row's cursor, as `encodeCursor` makes it. */
function cursorText(order: ListOrder, row: Row): JsonSql {
  const key = orderKey(order, (name) => row.column(name));
  const bytes = `uuid_send(${row.column('id')})${key === null ? '' : ` || convert_to((${key})::text, 'UTF8')`}`;
  // base64url; the line breaks of long texts and the padding are removed.
  const text = `translate(encode(${bytes}, 'base64'), E'+/=\\n', '-_')`;
  return `${literal(`"${cursorPrefixes[order]}`)} || ${text} || '"'`;
}
