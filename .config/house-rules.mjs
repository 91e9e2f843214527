/**
 * Two habits of this house that no published rule knows.
 *
 * - `documented-exports`: whatever a file exports says in a TSDoc comment what it is.
 * - `file-names`: files are called `noun.kind.ts` in lower case, and never by a name that could hold anything.
 */

const shapeless = /(^|[-.])(utils?|helpers?|managers?|common|misc|shared)([-.]|$)/;

/** What may stand between the dots of a file's name; docs/CONTRIBUTING.md says what each is. */
const kinds = new Set(
  'entity state type input resolver loader service work lifecycle subscription store ledger line command errors test'.split(
    ' ',
  ),
);

/** @type {import('eslint').Rule.RuleModule} */
const fileNames = {
  meta: { type: 'suggestion', schema: [], messages: { shape: '{{ name }}: {{ cure }}' } },
  create: (context) => ({
    Program(node) {
      const name = context.filename.split(/[\\/]/).at(-1);
      const complain = (cure) => context.report({ node, messageId: 'shape', data: { name, cure } });
      if (!/^[a-z0-9]+(-[a-z0-9]+)*([.][a-z0-9]+(-[a-z0-9]+)*)*[.]ts$/.test(name))
        complain('write it in kebab-case.');
      const [, kind, more] = name.replace(/[.]ts$/, '').split('.');
      if (more || (kind && !kinds.has(kind)))
        complain(`"${kind}" is no kind of file here; join it by a hyphen.`);
      if (shapeless.test(name.replace(/[.]ts$/, ''))) complain('name it by what it does.');
    },
  }),
};

/** @type {import('eslint').Rule.RuleModule} */
const documentedExports = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: { missing: 'Say in a TSDoc comment what {{ name }} is.' },
  },
  create: (context) => ({
    'ExportNamedDeclaration[declaration]'(node) {
      const { declaration } = node;
      const first = declaration.decorators?.[0] ?? node;
      const start = first.range[0] < node.range[0] ? first : node;
      if (isOverload(node) || context.sourceCode.getCommentsBefore(start).some(isTsDoc)) return;
      const name = (declaration.id ?? declaration.declarations[0].id).name ?? 'this';
      context.report({ node, messageId: 'missing', data: { name } });
    },
  }),
};

const isTsDoc = (comment) => comment.type === 'Block' && comment.value.startsWith('*');

/** The implementation of overloads needs no words of its own: its signatures have them. */
const isOverload = (node) => {
  const siblings = node.parent.body;
  const before = siblings[siblings.indexOf(node) - 1];
  return (
    before?.declaration?.type === 'TSDeclareFunction' &&
    before.declaration.id.name === node.declaration.id?.name
  );
};

/** The plugin. */
export const house = { rules: { 'file-names': fileNames, 'documented-exports': documentedExports } };
