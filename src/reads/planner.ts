import {
  getArgumentValues,
  isListType,
  isNonNullType,
  getNamedType,
  getNullableType,
  OperationTypeNode,
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLObjectType,
  type GraphQLOutputType,
  type GraphQLSchema,
  type OperationDefinitionNode,
} from 'graphql';
// The executor of graphql-js selects fields by these functions. They are not part of its index.
import { collectFields, collectSubfields } from 'graphql/execution/collectFields';
import { globalIdSql, type NodeKind } from '../core/ids';
import { snakeName } from '../core/sql';
import { variablesIn } from '../graphql/document-parts';
import { planConnection } from './connection-plan';
import { columnText, rowOf, valueWriter, type Collect } from './leaf-text';
import { planLookup, planLookups } from './lookup-plan';
import { planPayload } from './payload-plan';
import {
  NotPlannable,
  type Definition,
  type Plan,
  type RowScope,
  type SelectionPlanner,
  type TextIn,
} from './plan-types';
import type {
  ComputedSource,
  ConnectionSource,
  FieldArguments,
  FieldSource,
  NodeSource,
  ReadSources,
  RowsSource,
  TypeSource,
} from './source';
import { literal, objectText, orNull, Row, type JsonSql, type Statement } from './statement';

/** What a plan is made from. */
export interface PlanInput {
  readonly schema: GraphQLSchema;
  readonly sources: ReadSources;
  readonly operation: OperationDefinitionNode;
  readonly fragments: Readonly<Record<string, FragmentDefinitionNode>>;
  /** The variables that directives use. Another combination of their values has another plan. */
  readonly flags: Readonly<Record<string, unknown>>;
}

/**
 * The size of the largest plan, in members of objects; an object counts as ten. PostgreSQL then plans its statement in
 * some 20 ms. Fragments and aliases multiply members, so that a short document may have thousands.
 */
const maxPlanSize = 600;
const objectSize = 10;
/** The maximum size of a plan without lists and facts whose statement may be sent together with others, which wait for its end. */
const maxShortSize = 60;

/**
 * Plans a valid query or the payload of a valid mutation.
 * @throws NotPlannable
 */
export function planOperation(input: PlanInput): Plan {
  return new Planner(input).plan();
}

/** The row of fields of `Query`, which has no columns. */
const noRow = new Row('');

/** Plans one operation. */
class Planner implements SelectionPlanner {
  /** See {@link maxPlanSize}. */
  private size = 0;
  /** Whether it reads lists or counts, which may take long. */
  private isLong = false;
  readsRows = false;
  readonly uses = { exact: new Set<string>(), ids: new Set<string>() };
  readonly nodes: ReadonlyMap<string, NodeSource>;
  private readonly types: ReadonlyMap<string, TypeSource>;

  constructor(private readonly input: PlanInput) {
    const { nodes, types } = input.sources;
    this.nodes = new Map(nodes.map((source) => [source.type, source]));
    this.types = new Map([...nodes, ...types].map((source) => [source.type, source]));
  }

  plan(): Plan {
    const { schema, operation, fragments, flags } = this.input;
    const root = schema.getRootType(operation.operation)!;
    const selected = [...collectFields(schema, fragments, flags, root, operation.selectionSet)];
    const { length } = selected.filter(([, [node]]) => node!.name.value !== '__typename');
    if (length === 0) throw new NotPlannable('empty');
    const isMutation = operation.operation === OperationTypeNode.MUTATION;
    if (isMutation && length > 1) throw new NotPlannable('several');
    const members = selected.map(([key, nodes]) => [key, this.root(root, nodes, isMutation)] as const);
    const textOf: Plan['textOf'] = (statement) =>
      objectText(members.map(([key, memberOf]) => [key, memberOf({ statement, row: noRow })]));
    const isShort = !this.isLong && this.size <= maxShortSize;
    return { textOf, uses: this.uses, size: this.size, isShort };
  }

  /** The selected fields of an object, by response key, as the executor merges them. */
  readonly collect: Collect = (type, nodes) => {
    const { schema, fragments, flags } = this.input;
    return collectSubfields(schema, fragments, flags, type, nodes);
  };

  object(name: string, nodes: readonly FieldNode[]): TextIn<RowScope> {
    const source = this.types.get(name);
    if (!source) throw new NotPlannable('field');
    const type = this.input.schema.getType(name) as GraphQLObjectType;
    return this.members<RowScope>(type, nodes, (field, fieldNodes) =>
      Object.hasOwn(source.fields, field) ? this.field(type, source.fields[field]!, fieldNodes) : null,
    );
  }

  members<Scope>(
    type: GraphQLObjectType,
    nodes: readonly FieldNode[],
    plan: (name: string, nodes: readonly FieldNode[]) => TextIn<Scope> | null,
  ): TextIn<Scope> {
    const selected = [...this.collect(type, nodes)];
    this.size += objectSize + selected.length;
    if (this.size > maxPlanSize) throw new NotPlannable('size');
    const members = selected.map(([key, fieldNodes]) => {
      const name = fieldNodes[0]!.name.value;
      const textOf = name === '__typename' ? () => literal(`"${type.name}"`) : plan(name, fieldNodes);
      if (!textOf) throw new NotPlannable('field');
      return [key, textOf] as const;
    });
    return (scope) => objectText(members.map(([key, textOf]) => [key, textOf(scope)]));
  }

  argumentsOf(definition: Definition, node: FieldNode): (statement: Statement) => FieldArguments {
    const { arguments: given = [] } = node;
    for (const name of given.flatMap(({ value }) => variablesIn(value))) this.uses.exact.add(name);
    return ({ variables }) => getArgumentValues(definition, node, variables);
  }

  private root(type: GraphQLObjectType, nodes: readonly FieldNode[], isMutation: boolean): TextIn<RowScope> {
    const name = nodes[0]!.name.value;
    if (name === '__typename') return () => literal(`"${type.name}"`);
    if (name.startsWith('__')) throw new NotPlannable('introspection');
    const definition = type.getFields()[name]!;
    if (isMutation) return planPayload(this, definition, nodes);
    const { roots } = this.input.sources;
    const source = Object.hasOwn(roots, name) ? roots[name]! : null;
    if (!source) throw new NotPlannable('field');
    switch (source.kind) {
      case 'connection':
        return this.connection(source, definition, nodes);
      case 'lookup':
        return planLookup(this, source, definition, nodes);
      case 'lookups':
        this.isLong = true;
        return planLookups(this, source, definition, nodes);
      case 'object': {
        const type = getNamedType(definition.type) as GraphQLObjectType;
        return this.members<RowScope>(type, nodes, (field, fieldNodes) =>
          Object.hasOwn(source.fields, field)
            ? this.computed(source.fields[field]!, type.getFields()[field]!, fieldNodes)
            : null,
        );
      }
    }
  }

  private field(type: GraphQLObjectType, source: FieldSource, nodes: readonly FieldNode[]): TextIn<RowScope> {
    const definition = type.getFields()[nodes[0]!.name.value]!;
    switch (source.kind) {
      case 'column':
        return this.column(snakeName(source.property), definition);
      case 'id':
        return ({ row }) => `'"' || ${globalIdSql(type.name as NodeKind, row.column('id'))} || '"'`;
      case 'computed':
        return this.computed(source, definition, nodes);
      case 'reference': {
        const key = snakeName(source.key);
        const textOf = this.single(source.type, definition.type, nodes);
        return ({ statement, row }) =>
          textOf(statement, () => this.select(source.type, row.column(key), statement.owner));
      }
      case 'rows':
        return this.rows(source, definition, nodes);
      case 'connection':
        return this.connection(source, definition, nodes);
    }
  }

  private connection(
    source: ConnectionSource,
    definition: Definition,
    nodes: readonly FieldNode[],
  ): TextIn<RowScope> {
    this.isLong = true;
    this.readsRows = true;
    return planConnection(this, source, definition, nodes);
  }

  private column(name: string, { type }: Definition): TextIn<RowScope> {
    if (columnText(type, name) === null) throw new NotPlannable('field');
    return ({ row }) => columnText(type, row.column(name))!;
  }

  private computed(
    { needs, facts, compute, unless, readsSeldom = false }: ComputedSource,
    definition: Definition,
    nodes: readonly FieldNode[],
  ): TextIn<RowScope> {
    const argumentsOf = this.argumentsOf(definition, nodes[0]!);
    const write = valueWriter(definition.type, nodes, this.collect);
    const names = [...needs, ...Object.keys(facts)];
    if (Object.keys(facts).length > 0) {
      // They may count rows, and aliases repeat them.
      this.isLong = true;
      this.readsRows ||= !readsSeldom;
    }
    return ({ statement, row }) => {
      const args = argumentsOf(statement);
      const scope = {
        column: (name: string) => row.column(name),
        owner: statement.owner,
        scopes: () => `${statement.addInput(({ scopes }) => JSON.stringify([...scopes]))}::json`,
      };
      const values = [
        ...needs.map((property) => row.column(snakeName(property))),
        ...Object.values(facts).map((sqlOf) => sqlOf(scope)),
      ];
      const hole = statement.hole(`json_build_array(${values.join(', ')})::text`, (read) =>
        write(compute(rowOf(names, read as readonly unknown[]) as never, args)),
      );
      if (!unless) return hole;
      const isNull = row.column(snakeName(unless.isNull));
      const text = columnText(definition.type, row.column(snakeName(unless.property)));
      return `CASE WHEN ${isNull} IS NULL THEN ${text} ELSE ${hole} END`;
    };
  }

  private rows(
    { type, select, firstOf }: RowsSource,
    definition: Definition,
    nodes: readonly FieldNode[],
  ): TextIn<RowScope> {
    if (!isListType(getNullableType(definition.type))) {
      const textOf = this.single(type, definition.type, nodes);
      return ({ statement, row }) =>
        textOf(statement, (columns) => select(row.column('id'), statement.owner, columns));
    }
    this.isLong = true;
    this.readsRows = true;
    const argumentsOf = this.argumentsOf(definition, nodes[0]!);
    const object = this.object(type, nodes);
    return ({ statement, row }) => {
      const first = firstOf?.(argumentsOf(statement) as never) ?? null;
      const each = statement.row();
      const texts = `string_agg(${object({ statement, row: each })}, ',')`;
      const all = select(row.column('id'), statement.owner, each.columns.join(', '));
      const rows = first === null ? all : `${all} LIMIT ${statement.add(first)}`;
      return `(SELECT '[' || coalesce(${texts}, '') || ']' FROM (${rows}) AS ${each.alias})`;
    };
  }

  select(kind: NodeKind, id: string, owner: string): string {
    return this.nodes.get(kind)!.select(id, owner);
  }

  single(
    kind: NodeKind,
    type: GraphQLOutputType,
    nodes: readonly FieldNode[],
  ): (statement: Statement, select: (columns: string) => string) => JsonSql {
    this.readsRows = true;
    const object = this.object(kind, nodes);
    return (statement, select) => {
      const row = statement.row();
      const text = object({ statement, row });
      return orNull(
        `(SELECT ${text} FROM (${select(row.columns.join(', '))}) AS ${row.alias})`,
        !isNonNullType(type),
      );
    };
  }
}
