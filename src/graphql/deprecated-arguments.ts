import {
  defaultFieldResolver,
  getNullableType,
  type GraphQLArgument,
  type GraphQLField,
  type GraphQLInputObjectType,
  type GraphQLSchema,
} from 'graphql';
import { Extensions } from 'type-graphql';
import { DomainError } from '../core/errors';

type Values = Readonly<Record<string, unknown>>;

/**
 * Makes a mutation with the argument `input` also accept fields of its input as arguments, its form before `input` was
 * introduced: `cancelModel(id: …)` as `cancelModel(input: { id: … })`. Exactly one of both forms is accepted. The resolver
 * receives `input`, and its errors name `input.id`; a caller of the deprecated form receives `id`.
 * @param names - fields of the input; others exist in the new form only
 */
export const DeprecatedArguments = (...names: string[]): MethodDecorator & PropertyDecorator =>
  Extensions({ deprecatedArguments: names });

/** Adds the arguments of {@link DeprecatedArguments} to a schema. Call it before the resolvers are wrapped by others. */
export function addDeprecatedArguments(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { deprecatedArguments: names } = field.extensions as { deprecatedArguments?: readonly string[] };
    if (names) acceptEitherForm(field, names);
  }
}

function acceptEitherForm(field: GraphQLField<unknown, unknown>, names: readonly string[]): void {
  const input = field.args.find(({ name }) => name === 'input')!;
  const type = getNullableType(input.type) as GraphQLInputObjectType;
  input.type = type;
  input.description = `${input.description} Required; null only if the deprecated arguments are given.`;
  field.args = [input, ...names.map((name) => deprecatedArgument(type, name))];
  const { resolve = defaultFieldResolver } = field;
  field.resolve = async (source, args: Values, context, info) => {
    const given = names.filter((name) => args[name] != null);
    if (args.input != null) {
      if (given.length > 0) throw bothForms(given);
      return resolve(source, { input: args.input }, context, info);
    }
    if (given.length === 0) throw noForm(type);
    try {
      return await resolve(source, { input: inputOf(type, names, args) }, context, info);
    } catch (error) {
      throw error instanceof DomainError ? error.relativeTo('input') : error;
    }
  };
}

function deprecatedArgument(type: GraphQLInputObjectType, name: string): GraphQLArgument {
  const { description, type: fieldType } = type.getFields()[name]!;
  return {
    name,
    description,
    type: getNullableType(fieldType),
    defaultValue: undefined,
    deprecationReason: `Use \`input.${name}\`. Removed in 1.0.`,
    extensions: {},
    astNode: undefined,
  };
}

/** The input with the values of the deprecated arguments, and with the defaults of its other fields. */
function inputOf(type: GraphQLInputObjectType, names: readonly string[], args: Values): Values {
  const input: Record<string, unknown> = {};
  for (const { name, defaultValue, type: fieldType } of Object.values(type.getFields())) {
    const value = (names.includes(name) ? args[name] : undefined) ?? defaultValue;
    if (value !== undefined) input[name] = value;
    else if (fieldType !== getNullableType(fieldType)) throw missing(name);
  }
  return input;
}

function bothForms(given: readonly string[]): DomainError {
  const message = `Use either input or ${given.join(', ')}, not both. Use input; the others are deprecated.`;
  return new DomainError('INVALID_INPUT', message, { field: given[0] });
}

function noForm(type: GraphQLInputObjectType): DomainError {
  return new DomainError('INVALID_INPUT', `input is required. Its type is ${type.name}!.`, {
    field: 'input',
  });
}

function missing(name: string): DomainError {
  return new DomainError('INVALID_INPUT', `${name} is required. Use input.${name}; ${name} is deprecated.`, {
    field: name,
  });
}
