import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import ts from 'typescript';
import { settingNames } from '../../src/config';
import { errorCodes } from '../../src/core/errors';
import { graphqlCodes } from '../../src/graphql/error-code.type';
import { failureCodes } from '../../src/jobs/failure';
import { photoProblemCodes } from '../../src/photos/photo-problem';

const root = resolve(__dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** README.md, CHANGELOG.md and all pages below docs/. */
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The pages that describe the present version; the changelog may also name what was removed. */
const currentPages = pages.filter((page) => page !== 'CHANGELOG.md');

/** Names in capitals that are neither settings, codes nor values of the API: what each is, is said beside it. */
const otherNames = [
  'DRILL_SEED',
  'TEST_DATABASE',
  'TEST_ENGINE',
  'TEST_REDIS',
  'LIKENESS_URL',
  'NODE_OPTIONS',
  'IMAGE_NOT_VALID',
  'NODE_EXTRA_CA_CERTS',
  'NOT_EXECUTED',
  'NOT_SENT',
  'PICSART_KEY',
  'POSTGRES_PASSWORD',
  'UPPER_CASE',
];

/** The names that a page's tables explain: in capitals and backticks at the start of a row. */
const explained = (page: string): string[] =>
  [...read(page).matchAll(/^\| *`([A-Z][A-Z0-9_]*)`/gm)].map((match) => match[1]!);

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

/** All texts of the sources, whole: strings that are joined count as one, and a value in a template is written as `…`. */
function textsInSources(): Set<string> {
  const texts = new Set<string>();
  const visit = (node: ts.Node): void => {
    const text = ts.isExpression(node) ? wholeText(node) : null;
    if (text === null) ts.forEachChild(node, visit);
    else texts.add(text);
  };
  for (const name of readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue;
    visit(ts.createSourceFile(name, read(join('src', name)), ts.ScriptTarget.Latest, true));
  }
  return texts;
}

/** The text of an expression; null if it is not a text. */
function wholeText(node: ts.Expression): string | null {
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.PlusToken)
    return textOf(node)[0] ?? null;
  const [left, right] = [wholeText(node.left), wholeText(node.right)];
  return left === null && right === null ? null : `${left ?? '…'}${right ?? '…'}`;
}

/** Whether a documented line, in which `…` stands for anything, is a whole text. */
const describes = (line: string, text: string): boolean => {
  const parts = line.split('…').map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('[^]*')}$`).test(text);
};

/**
 * The titles of a test file, and the names of rows in its tables: strings that are the first argument of a call, an element
 * of an array, or a property `name`. A value in a template is written as `…`, and a row that starts with a name and a number also counts as `name (number)`.
 */
function titlesIn(file: string): Set<string> {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    for (const title of namesIn(node)) titles.add(title);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

function namesIn(node: ts.Node): string[] {
  if (ts.isCallExpression(node)) return node.arguments.slice(0, 1).flatMap(textOf);
  if (ts.isPropertyAssignment(node) && node.name.getText() === 'name') return textOf(node.initializer);
  if (!ts.isArrayLiteralExpression(node)) return [];
  const [name, number] = node.elements;
  const numbered = number && ts.isNumericLiteral(number) ? textOf(name!) : [];
  return [...node.elements.flatMap(textOf), ...numbered.map((text) => `${text} (${number!.getText()})`)];
}

function textOf(node: ts.Node): string[] {
  if (ts.isStringLiteralLike(node)) return [node.text];
  if (!ts.isTemplateExpression(node)) return [];
  return [[node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…')];
}

describe('the documentation', () => {
  it('documents exactly the existing error and failure codes', () => {
    expect(sorted(explained('docs/errors.md'))).toEqual(
      sorted([...Object.keys(errorCodes), ...Object.keys(failureCodes)]),
    );
  });

  it('documents the error codes of GraphQL and the problem codes of photos', () => {
    const listed = [...read('docs/errors.md').matchAll(/^- ([A-Z][A-Z_]+):/gm)].map((match) => match[1]!);
    expect(sorted(listed)).toEqual(sorted([...Object.keys(graphqlCodes), ...Object.keys(photoProblemCodes)]));
  });

  it('documents exactly the existing settings', () => {
    expect(sorted(explained('docs/settings.md'))).toEqual(sorted(settingNames));
  });

  it.each(currentPages)('names existing settings and codes only: %s', (page) => {
    const known = new Set([
      ...[...settingNames, ...Object.keys(errorCodes), ...Object.keys(failureCodes)],
      ...[...Object.keys(graphqlCodes), ...Object.keys(photoProblemCodes)],
      ...[...read('schema/schema.graphql').matchAll(/^ {2}([A-Z][A-Z0-9_]+)(?: @deprecated.*)?$/gm)].map(
        (match) => match[1]!,
      ),
      ...otherNames,
    ]);
    const named = [...read(page).matchAll(/\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b/g)].map(([name]) => name);
    expect(sorted(named).filter((name) => !known.has(name))).toEqual([]);
  });

  it('names only log lines that the program writes', () => {
    const rows = [...read('docs/operations.md').matchAll(/^\| `(?:fatal|error|warn|info)` +\| `([^`]+)`/gm)];
    expect(rows.length).toBeGreaterThan(10);
    const texts = [...textsInSources()];
    const missing = rows
      .map(([, line]) => line!)
      .filter((line) => !texts.some((text) => describes(line, text)));
    expect(missing).toEqual([]);
  });

  it('names only metrics that the program has', () => {
    const metrics = readdirSync(join(root, 'src/app/metrics'))
      .map((name) => read(join('src/app/metrics', name)))
      .join('\n');
    const named = currentPages.flatMap((page) =>
      [...read(page).matchAll(/`(likeness_[a-z_]+)[`{]/g)].map((match) => match[1]!),
    );
    expect(new Set(named).size).toBeGreaterThan(5);
    expect(sorted(named).filter((name) => !new RegExp(`\\b${name}\\b['\`:]`).test(metrics))).toEqual([]);
  });

  it('refers to existing tests only', () => {
    const rows = pages.flatMap((page) => [
      ...read(page).matchAll(/^\|(?:[^|\n]+\|)+ `(test\/[^`]+)` +\| ([^|]+?) +\|$/gm),
    ]);
    expect(rows.length).toBeGreaterThan(40);
    const titles = new Map(
      [...new Set(rows.map(([, file]) => file!))]
        .filter((file) => existsSync(join(root, file)))
        .map((file) => [file, titlesIn(file)]),
    );
    const missing = rows.filter(([, file, name]) => !titles.get(file!)?.has(name!));
    expect(missing.map(([row]) => row)).toEqual([]);
  });

  it.each(pages)('refers to existing commands only: %s', (page) => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const missing = [
      ...[...read(page).matchAll(/\bnpm run ([a-z][a-z:-]*)/g)]
        .map((match) => match[1]!)
        .filter((name) => !scripts[name]),
      ...[...read(page).matchAll(/(?<![\w/])\.ci\/[a-z.-]*[a-z]/g)]
        .map((match) => match[0])
        .filter((path) => !existsSync(join(root, path))),
    ];
    expect(missing).toEqual([]);
  });

  it.each(pages)('names existing files only: %s', (page) => {
    const named = [...read(page).matchAll(/`((?:src|test|schema|examples)\/[\w./-]*\w\.\w+)`/g)].map(
      ([, path]) => path!,
    );
    expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  it.each(pages)('links to existing files only: %s', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)/g)].map(
      (match) => match[1]!,
    );
    expect(targets.filter((target) => !existsSync(resolve(root, dirname(page), target)))).toEqual([]);
  });
});
