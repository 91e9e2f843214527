import { Kind, parse, print, type OperationDefinitionNode } from 'graphql';
import { readExamples } from '../../src/http/graphiql/examples';

/** A named operation of the examples, with the variables of its tab. */
export interface Example {
  name: string;
  type: OperationDefinitionNode['operation'];
  definition: OperationDefinitionNode;
  query: string;
  /** JSON with the variables of all operations of the tab. */
  variables: string;
}

/** All operations of the examples, in the order in which they are shown. */
export async function exampleOperations(): Promise<Example[]> {
  const tabs = await readExamples();
  return tabs.flatMap(({ query, variables = '{}' }) =>
    parse(query).definitions.map((definition): Example => {
      if (definition.kind !== Kind.OPERATION_DEFINITION || !definition.name)
        throw new Error('An example is not a named operation.');
      const { name, operation: type } = definition;
      return { name: name.value, type, definition, query: print(definition), variables };
    }),
  );
}

/** The variables of an example, with ids in place of placeholders such as `model_…`. */
export function variablesOf(
  { variables }: Example,
  ids: Readonly<Record<string, readonly string[]>>,
): Record<string, unknown> {
  const used: Record<string, number> = {};
  const filled = variables.replaceAll(/"(\w+)_…"/g, (placeholder, kind: string) => {
    const known = ids[kind];
    if (!known) return placeholder;
    const index = (used[kind] = (used[kind] ?? -1) + 1);
    return JSON.stringify(known[index % known.length]);
  });
  return JSON.parse(filled) as Record<string, unknown>;
}
