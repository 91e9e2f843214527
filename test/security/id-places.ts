import {
  getNamedType,
  isInputObjectType,
  isInterfaceType,
  isObjectType,
  type GraphQLInputType,
  type GraphQLSchema,
} from 'graphql';

/** An argument that takes an id or a cursor. */
export interface IdPlace {
  /** `Mutation.trainModel(input.photoIds)`. */
  name: string;
  takes: 'id' | 'cursor';
}

/** Names of arguments with a cursor of a list or a stream. */
const cursorNames: ReadonlySet<string> = new Set(['after', 'before', 'cursor']);

/** Every argument and nested input field of a schema that takes an id or a cursor. */
export function idPlaces(schema: GraphQLSchema): IdPlace[] {
  return Object.values(schema.getTypeMap())
    .filter((type) => !type.name.startsWith('__'))
    .flatMap((type) => (isObjectType(type) || isInterfaceType(type) ? [type] : []))
    .flatMap((type) =>
      Object.values(type.getFields()).flatMap((field) =>
        field.args.flatMap((argument) =>
          within(argument.name, argument.type, new Set()).map(({ path, takes }) => ({
            name: `${type.name}.${field.name}(${path})`,
            takes,
          })),
        ),
      ),
    );
}

function within(
  path: string,
  type: GraphQLInputType,
  seen: ReadonlySet<string>,
): { path: string; takes: IdPlace['takes'] }[] {
  const named = getNamedType(type);
  if (named.name === 'ID') return [{ path, takes: 'id' }];
  if (named.name === 'String' && cursorNames.has(path.split('.').at(-1)!)) return [{ path, takes: 'cursor' }];
  if (!isInputObjectType(named) || seen.has(named.name)) return [];
  return Object.values(named.getFields()).flatMap((field) =>
    within(`${path}.${field.name}`, field.type, new Set([...seen, named.name])),
  );
}
