import { Kind, OperationTypeNode, type GraphQLResolveInfo, type SelectionSetNode } from 'graphql';

type Selecting = Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>;

/**
 * Whether a field is selected in the field that is resolved, directly or in fragments, even if a directive skips it.
 * @param path - the names of the field and of the fields that it is selected in, from the outside
 */
export function selects({ fieldNodes, fragments }: Selecting, ...path: readonly string[]): boolean {
  return fieldNodes.some((node) => isIn(node.selectionSet, path, fragments));
}

function isIn(
  set: SelectionSetNode | undefined,
  path: readonly string[],
  fragments: Selecting['fragments'],
): boolean {
  const [name, ...rest] = path;
  return (
    set?.selections.some((selection) => {
      if (selection.kind === Kind.FIELD)
        return (
          selection.name.value === name &&
          (rest.length === 0 || isIn(selection.selectionSet, rest, fragments))
        );
      const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
      return isIn(fragment?.selectionSet, path, fragments);
    }) ?? false
  );
}

/** Whether a query selects a field of a root field. */
export function isQueried(
  { operation, fragments }: Pick<GraphQLResolveInfo, 'operation' | 'fragments'>,
  ...path: readonly [root: string, field: string]
): boolean {
  return operation.operation === OperationTypeNode.QUERY && isIn(operation.selectionSet, path, fragments);
}
