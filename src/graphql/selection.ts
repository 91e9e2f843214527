import { Kind, type GraphQLResolveInfo, type SelectionSetNode } from 'graphql';

type Selecting = Pick<GraphQLResolveInfo, 'fieldNodes' | 'fragments'>;

/** Whether a field is selected in the field that is resolved, directly or in fragments, even if a directive skips it. */
export function selects({ fieldNodes, fragments }: Selecting, name: string): boolean {
  const isIn = (set: SelectionSetNode | undefined): boolean =>
    set?.selections.some((selection) => {
      if (selection.kind === Kind.FIELD) return selection.name.value === name;
      if (selection.kind === Kind.INLINE_FRAGMENT) return isIn(selection.selectionSet);
      return isIn(fragments[selection.name.value]?.selectionSet);
    }) ?? false;
  return fieldNodes.some((node) => isIn(node.selectionSet));
}
