import { BREAK, Kind, parse, visit, type ASTNode } from 'graphql';

/**
 * The path of a literal in a query, such as `input.photoIds[3]`.
 * @param target - the value, or the field of an input object; must have a location
 * @returns undefined if the node is not an input
 */
export function inputPath(target: ASTNode): string | undefined {
  const { loc } = target;
  if (!loc) return undefined;
  const document = parse(loc.source);
  let result = '';
  visit(document, {
    enter(node, _key, _parent, path) {
      if (node.kind !== target.kind || node.loc?.start !== loc.start || node.loc.end !== loc.end)
        return undefined;
      result = formatPath(document, path);
      return BREAK;
    },
  });
  return result === '' ? undefined : result;
}

function formatPath(document: ASTNode, path: readonly (string | number)[]): string {
  let text = '';
  let node: unknown = document;
  path.forEach((key, index) => {
    node = (node as Record<string | number, unknown>)[key];
    if (path[index - 1] === 'values') text += `[${key}]`;
    text = withName(text, node as ASTNode);
  });
  return text;
}

function withName(text: string, node: ASTNode): string {
  if (node.kind === Kind.VARIABLE_DEFINITION) return node.variable.name.value;
  if (node.kind === Kind.ARGUMENT) return node.name.value;
  return node.kind === Kind.OBJECT_FIELD ? `${text}.${node.name.value}` : text;
}
