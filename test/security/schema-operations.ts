import {
  getNamedType,
  getNullableType,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isLeafType,
  isListType,
  isNonNullType,
  isObjectType,
  isUnionType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLNamedType,
  type GraphQLObjectType,
  type GraphQLSchema,
} from 'graphql';

type Field = GraphQLField<unknown, unknown>;

/** Whether a field of a type is to be selected. */
export type IsSelected = (type: string, field: string) => boolean;

/** How many objects a selection is nested. */
const maxDepth = 4;

/** An operation with one root field, by its name. */
export interface RootOperation {
  readonly root: string;
  readonly query: string;
}

/**
 * For each root field of a schema, and each type of its objects, an operation with everything that is selected in it. Arguments are those that are
 * required, and all ids.
 * @param id - the id in all arguments
 */
export function fullOperations(schema: GraphQLSchema, id: string, isSelected: IsSelected): RootOperation[] {
  const builder = new OperationBuilder(schema, id, isSelected);
  return rootsOf(schema).flatMap(([kind, type, field]) =>
    builder.membersOf(getNamedType(field.type)).map(([on]) => ({
      root: `${type.name}.${field.name}`,
      query: `${kind} { ${field.name}${builder.argumentsOf(field)} { ... on ${on.name} ${builder.selectionOf(on, 0)} } }`,
    })),
  );
}

/** An operation that selects a field, by its type and name, within fields that are selected. */
export interface FieldOperation {
  readonly field: string;
  readonly query: string;
}

/** For each field of a schema that is not selected, operations that select it, one from each root field that reaches it. */
export function otherOperations(schema: GraphQLSchema, id: string, isSelected: IsSelected): FieldOperation[] {
  const builder = new OperationBuilder(schema, id, isSelected);
  return rootsOf(schema).flatMap(([kind, type, field]) => {
    const start = `${field.name}${builder.argumentsOf(field)}`;
    const close = (inner: string): string => `${kind} { ${start}${inner} }`;
    if (!isSelected(type.name, field.name)) {
      const query = close(builder.anyOf(getNamedType(field.type)));
      return [{ field: `${type.name}.${field.name}`, query }];
    }
    return builder
      .othersIn(getNamedType(field.type), new Set())
      .map(({ field, query }) => ({ field, query: close(query) }));
  });
}

function rootsOf(schema: GraphQLSchema): [kind: string, type: GraphQLObjectType, field: Field][] {
  const roots = { query: schema.getQueryType(), mutation: schema.getMutationType() };
  return Object.entries({ ...roots, subscription: schema.getSubscriptionType() }).flatMap(([kind, type]) =>
    Object.values(type!.getFields()).map((field): [string, GraphQLObjectType, Field] => [kind, type!, field]),
  );
}

/** The arguments of a list below another object: few of its rows, since sizes multiply. */
function sizeOf({ args }: Field): string {
  return args.some(({ name }) => name === 'first') ? '(first: 5)' : '';
}

class OperationBuilder {
  constructor(
    private readonly schema: GraphQLSchema,
    private readonly id: string,
    private readonly isSelected: IsSelected,
  ) {}

  argumentsOf({ args }: Field): string {
    const given = args.filter((arg) => this.isGiven(arg) && arg.deprecationReason == null);
    if (given.length === 0) return '';
    return `(${given.map(({ name, type }) => `${name}: ${this.value(type)}`).join(', ')})`;
  }

  /** Everything that is selected in a type, without the types of an interface. */
  selectionOf(type: GraphQLNamedType, depth: number): string {
    if (isLeafType(type)) return '';
    const fields = isObjectType(type) || isInterfaceType(type) ? Object.values(type.getFields()) : [];
    const texts = fields
      .filter((field) => this.isSelected(type.name, field.name))
      .filter((field) => isLeafType(getNamedType(field.type)) || depth < maxDepth)
      .map(
        (field) =>
          `${field.name}${sizeOf(field) || this.argumentsOf(field)}${this.selectionOf(getNamedType(field.type), depth + 1)}`,
      );
    return ` { __typename ${texts.join(' ')} }`;
  }

  /** Selections of the fields that are not selected, within those that are. */
  othersIn(type: GraphQLNamedType, seen: ReadonlySet<string>): FieldOperation[] {
    if (isLeafType(type) || seen.has(type.name)) return [];
    return this.membersOf(type).flatMap(([on, fields]) =>
      fields.flatMap((field) => {
        const [inner, start] = [getNamedType(field.type), `${field.name}${this.argumentsOf(field)}`];
        const close = (text: string): string => ` { ... on ${on.name} { ${start}${text} } }`;
        if (!this.isSelected(on.name, field.name))
          return [{ field: `${on.name}.${field.name}`, query: close(this.anyOf(inner)) }];
        const others = this.othersIn(inner, new Set([...seen, type.name, on.name]));
        return others.map((other) => ({ field: other.field, query: close(other.query) }));
      }),
    );
  }

  anyOf(type: GraphQLNamedType): string {
    return isLeafType(type) ? '' : ' { __typename }';
  }

  /** The types of the objects of a type, and an interface itself, with their fields. */
  membersOf(type: GraphQLNamedType): [on: GraphQLNamedType, fields: Field[]][] {
    if (isObjectType(type)) return [[type, Object.values(type.getFields())]];
    if (isInterfaceType(type)) {
      const own: [GraphQLNamedType, Field[]] = [type, Object.values(type.getFields())];
      return [own, ...this.schema.getPossibleTypes(type).flatMap((one) => this.membersOf(one))];
    }
    return isUnionType(type) ? type.getTypes().flatMap((one) => this.membersOf(one)) : [];
  }

  private isGiven(input: GraphQLArgument | GraphQLInputField): boolean {
    const isRequired = isNonNullType(input.type) && input.defaultValue === undefined;
    const named = getNamedType(input.type);
    const isChoice = isInputObjectType(named) && named.isOneOf;
    return isRequired || named.name === 'ID' || isChoice || this.isInput(input);
  }

  /** The input of a mutation is nullable if it has a deprecated form. */
  private isInput({ name, type }: GraphQLArgument | GraphQLInputField): boolean {
    return name === 'input' && isInputObjectType(getNullableType(type));
  }

  private value(type: GraphQLInputType): string {
    const nullable = getNullableType(type);
    if (isListType(nullable)) return `[${this.value(nullable.ofType)}]`;
    if (isEnumType(nullable)) return nullable.getValues()[0]!.name;
    if (isInputObjectType(nullable)) {
      const fields = Object.values(nullable.getFields()).filter((field) => field.deprecationReason == null);
      const given = nullable.isOneOf
        ? [fields.find(({ name }) => this.id.startsWith(name.replace(/Id$/, '_'))) ?? fields[0]!]
        : fields.filter((field) => this.isGiven(field));
      return `{ ${given.map((field) => `${field.name}: ${this.value(field.type)}`).join(', ')} }`;
    }
    const literals: Record<string, string> = {
      ...{ ID: JSON.stringify(this.id), Boolean: 'true', Int: '1', Float: '1' },
      ...{ URL: '"https://example.com/"', DateTime: '"2026-01-01T00:00:00Z"' },
    };
    return literals[nullable.name] ?? '"x"';
  }
}
