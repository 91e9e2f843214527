import {
  getNamedType,
  type FieldNode,
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLOutputType,
} from 'graphql';
import { readGlobalId, type NodeKind } from '../core/ids';
import type { FieldArguments, NodeSource } from './source';
import type { JsonSql, Row, Statement } from './statement';

/**
 * Why an operation is left to the resolvers.
 * - `field`: a selected field has no source
 * - `introspection`: it asks for the schema
 * - `empty`: no selected field reads a row; for a mutation, none besides those that it returned
 * - `several`: it is a mutation of several fields, which are resolved one after the other
 * - `size`: it would be a statement that PostgreSQL plans more slowly than the resolvers answer
 */
export type PlanRefusal = 'field' | 'introspection' | 'empty' | 'several' | 'size';

/** An operation that is left to the resolvers. */
export class NotPlannable extends Error {
  constructor(readonly reason: PlanRefusal) {
    super(reason);
  }
}

/** A row of a statement that is being made. */
export interface RowScope {
  readonly statement: Statement;
  readonly row: Row;
}

/** Makes the SQL of a JSON value, from what is in scope. It has no data of a request. */
export type TextIn<Scope> = (scope: Scope) => JsonSql;

/**
 * How a plan uses the variables of its operation. Requests that agree in these uses share a statement.
 * - `exact`: the SQL or a constant of the statement depends on the value
 * - `ids`: only the type of the global id matters; the id itself is a parameter
 */
export interface VariableUses {
  readonly exact: ReadonlySet<string>;
  readonly ids: ReadonlySet<string>;
}

/** The text that requests with the same statement have in common; see {@link VariableUses}. */
export function statementKey(
  { exact, ids }: VariableUses,
  variables: Readonly<Record<string, unknown>>,
): string {
  const kinds = [...ids].map((name) => readGlobalId(String(variables[name]))?.kind).join();
  if (exact.size === 0) return kinds;
  // An absent variable has no member, and null has one.
  return `${kinds} ${JSON.stringify(Object.fromEntries([...exact].map((name) => [name, variables[name]])))}`;
}

/** A planned operation. */
export interface Plan {
  /** Makes the SQL of `data`. */
  readonly textOf: TextIn<Statement>;
  readonly uses: VariableUses;
  /** The number of members of its objects; an object counts as ten. */
  readonly size: number;
  /** Whether it reads only a few single rows. */
  readonly isShort: boolean;
}

/** A field of the schema. */
export type Definition = GraphQLField<unknown, unknown>;

/** Plans selections; see the planner. */
export interface SelectionPlanner {
  /** The object of a row with a source, by the name of its type. */
  object(name: string, nodes: readonly FieldNode[]): TextIn<RowScope>;

  /**
   * An object whose fields are planned one by one.
   * @param plan - plans a field; returns null if that is not possible
   */
  members<Scope>(
    type: GraphQLObjectType,
    nodes: readonly FieldNode[],
    plan: (name: string, nodes: readonly FieldNode[]) => TextIn<Scope> | null,
  ): TextIn<Scope>;

  /** The only row of a select, as an object of the type with this name, or null where `type` allows it. */
  single(
    kind: NodeKind,
    type: GraphQLOutputType,
    nodes: readonly FieldNode[],
  ): (statement: Statement, select: (columns: string) => string) => JsonSql;

  /** The sources of types with global ids, by the names of the types. */
  readonly nodes: ReadonlyMap<string, NodeSource>;

  /** Whether what was planned so far reads rows. */
  readonly readsRows: boolean;

  /** SQL that selects the row of a type with a UUID if it belongs to the owner. */
  select(kind: NodeKind, id: string, owner: string): string;

  /** The uses of variables so far. */
  readonly uses: { readonly exact: Set<string>; readonly ids: Set<string> };

  /** The arguments of a field for a request. */
  argumentsOf(definition: Definition, node: FieldNode): (statement: Statement) => FieldArguments;
}

/** The type of a field's objects. */
export function objectTypeOf({ type }: Definition): GraphQLObjectType {
  return getNamedType(type) as GraphQLObjectType;
}
