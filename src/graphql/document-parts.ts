import { Kind, visit, type DocumentNode, type FragmentDefinitionNode, type ValueNode } from 'graphql';

/** The fragments of a document by name. */
export function fragmentsOf(document: DocumentNode): Record<string, FragmentDefinitionNode> {
  const fragments = document.definitions.filter((node) => node.kind === Kind.FRAGMENT_DEFINITION);
  return Object.fromEntries(fragments.map((node) => [node.name.value, node]));
}

/**
 * The memory of a document's syntax tree, in bytes. Its nodes and their locations take some 45 times the memory of the shortest
 * tokens. What keeps one node may keep all.
 */
export function treeBytes({ loc }: DocumentNode): number {
  return 50 * (loc?.source.body.length ?? 0);
}

/** The names of the variables in a value. */
export function variablesIn(value: ValueNode): string[] {
  if (value.kind === Kind.VARIABLE) return [value.name.value];
  if (value.kind === Kind.LIST) return value.values.flatMap(variablesIn);
  return value.kind === Kind.OBJECT ? value.fields.flatMap((field) => variablesIn(field.value)) : [];
}

/** The names of the variables that directives use: what is selected depends on their values. */
export function flagsOf(document: DocumentNode): string[] {
  const names = new Set<string>();
  visit(document, {
    Directive: ({ arguments: given = [] }) => {
      for (const { value } of given) if (value.kind === Kind.VARIABLE) names.add(value.name.value);
    },
  });
  return [...names];
}
