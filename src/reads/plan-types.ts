import { getNamedType, type FieldNode, type GraphQLField, type GraphQLObjectType } from 'graphql';
import type { NodeKind } from '../core/ids';
import type { FieldArguments } from './source';
import type { JsonSql, Statement } from './statement';

/**
 * Why an operation is left to the resolvers.
 * - `field`: a selected field has no source
 * - `introspection`: it asks for the schema
 * - `empty`: no selected field reads a row
 * - `size`: it would be a statement that PostgreSQL plans more slowly than the resolvers answer
 */
export type PlanRefusal = 'field' | 'introspection' | 'empty' | 'size';

/** An operation that is left to the resolvers. */
export class NotPlannable extends Error {
  constructor(readonly reason: PlanRefusal) {
    super(reason);
  }
}

/** A row of a statement that is being made. */
export interface RowScope {
  readonly statement: Statement;
  /** The alias of the row. */
  readonly row: string;
}

/** Makes the SQL of a JSON value, from what is in scope. It has no data of a request, and is called for each. */
export type TextIn<Scope> = (scope: Scope) => JsonSql;

/** A planned operation: makes the SQL of `data`. */
export type Plan = TextIn<Statement>;

/** A field of the schema. */
export type Definition = GraphQLField<unknown, unknown>;

/** Plans selections; see the planner. */
export interface SelectionPlanner {
  /** The object of a row with a source. */
  object(kind: NodeKind, nodes: readonly FieldNode[]): TextIn<RowScope>;

  /**
   * An object whose fields are planned one by one.
   * @param plan - plans a field; returns null if that is not possible
   */
  members<Scope>(
    type: GraphQLObjectType,
    nodes: readonly FieldNode[],
    plan: (name: string, nodes: readonly FieldNode[]) => TextIn<Scope> | null,
  ): TextIn<Scope>;

  /** The arguments of a field for a request. */
  argumentsOf(definition: Definition, node: FieldNode): (statement: Statement) => FieldArguments;
}

/** The type of a field's objects. */
export function objectTypeOf({ type }: Definition): GraphQLObjectType {
  return getNamedType(type) as GraphQLObjectType;
}
