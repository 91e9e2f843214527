/**
 * Rules of this project that no published plugin has.
 *
 * - `documented-exports`: every export has a TSDoc comment, except dependencies and options (`…Deps`, `…Options`) and
 *   classes of the API's schema, which have a description.
 * - `component-files`: a file of the studio is named like its component or hook, or like what it holds, in camel case.
 * - `file-names`: files are named `noun.kind.ts` in lower case, never by a name without content.
 * - `no-inline-disabling`: no comment disables rules of oxlint; ESLint itself ignores such comments for its own.
 */

const shapeless = /(^|[-.])(utils?|helpers?|managers?|common|misc|shared)([-.]|$)/;

/** What may stand between the dots of a file's name; docs/CONTRIBUTING.md says what each is. */
const kinds = new Set(
  'entity state type input resolver read service work lifecycle subscription kind command repository test'.split(
    ' ',
  ),
);

/** @type {import('eslint').Rule.RuleModule} */
const fileNames = {
  meta: { type: 'suggestion', schema: [], messages: { shape: '{{ name }}: {{ cure }}' } },
  create: (context) => ({
    Program(node) {
      const name = context.filename.split(/[\\/]/).at(-1);
      const report = (cure) => context.report({ node, messageId: 'shape', data: { name, cure } });
      if (!/^[a-z0-9]+(-[a-z0-9]+)*([.][a-z0-9]+(-[a-z0-9]+)*)*[.]ts$/.test(name))
        report('write it in kebab-case.');
      const [, kind, more] = name.replace(/[.]ts$/, '').split('.');
      if (more || (kind && !kinds.has(kind))) report(`"${kind}" is not a known kind of file; use a hyphen.`);
      if (shapeless.test(name.replace(/[.]ts$/, ''))) report('name it by what it does.');
    },
  }),
};

/** @type {import('eslint').Rule.RuleModule} */
const componentFiles = {
  meta: { type: 'suggestion', schema: [], messages: { name: '{{ name }}: {{ cure }}' } },
  create: (context) => ({
    Program(node) {
      const name = context.filename.split(/[\\/]/).at(-1);
      const report = (cure) => context.report({ node, messageId: 'name', data: { name, cure } });
      const exported = node.body.flatMap(({ declaration }) => declaration?.id?.name ?? []);
      const [base] = name.split('.');
      if (name === 'main.tsx') return;
      if (name.endsWith('.tsx') && (!/^[A-Z]/.test(base) || !exported.includes(base)))
        report('name it like the component that it exports.');
      if (name.endsWith('.ts') && !/^[a-z][A-Za-z]*$/.test(base)) report('write it in camelCase.');
      if (shapeless.test(base)) report('name it by what it does.');
    },
  }),
};

/** @type {import('eslint').Rule.RuleModule} */
const documentedExports = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: { missing: 'Describe {{ name }} in a TSDoc comment.' },
  },
  create: (context) => ({
    'ExportNamedDeclaration[declaration]'(node) {
      const { declaration } = node;
      const first = declaration.decorators?.[0] ?? node;
      const start = first.range[0] < node.range[0] ? first : node;
      if (isExempt(node)) return;
      if (context.sourceCode.getCommentsBefore(start).some(isTsDoc)) return;
      const name = (declaration.id ?? declaration.declarations[0].id).name ?? 'this';
      context.report({ node, messageId: 'missing', data: { name } });
    },
  }),
};

const isExempt = (node) => isOverload(node) || isDeps(node.declaration) || isSchemaClass(node.declaration);

const isDeps = ({ type, id }) => type === 'TSInterfaceDeclaration' && /(Deps|Options)$/.test(id.name);

const schemaDecorators = new Set(['ObjectType', 'InputType', 'ArgsType', 'InterfaceType']);
const isSchemaClass = ({ decorators }) =>
  decorators?.some(({ expression }) => schemaDecorators.has(expression.callee?.name)) ?? false;

const isTsDoc = (comment) => comment.type === 'Block' && comment.value.startsWith('*');

/** The implementation of overloads needs no comment: its signatures have them. */
const isOverload = (node) => {
  const siblings = node.parent.body;
  const before = siblings[siblings.indexOf(node) - 1];
  return (
    before?.declaration?.type === 'TSDeclareFunction' &&
    before.declaration.id.name === node.declaration.id?.name
  );
};

/** @type {import('eslint').Rule.RuleModule} */
const noInlineDisabling = {
  meta: {
    type: 'suggestion',
    schema: [],
    messages: {
      disables: 'Rules are changed in .oxlintrc.json, with a reason; comments cannot disable them.',
    },
  },
  create: (context) => ({
    Program() {
      for (const { loc, value } of context.sourceCode.getAllComments())
        if (value.includes('oxlint-disable')) context.report({ loc, messageId: 'disables' });
    },
  }),
};

/** The plugin. */
export const project = {
  rules: {
    'component-files': componentFiles,
    'documented-exports': documentedExports,
    'file-names': fileNames,
    'no-inline-disabling': noInlineDisabling,
  },
};
