import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { settingNames } from '../../src/config';
import { errorCodes } from '../../src/core/errors';
import { failureCodes } from '../../src/jobs/failure';

const root = resolve(__dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

/** README.md, CHANGELOG.md and all pages below docs/. */
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** The names that a page's tables explain: what stands in backticks at the start of a row, in capitals. */
const explained = (page: string): string[] =>
  [...read(page).matchAll(/^\| *`([A-Z][A-Z0-9_]*)`/gm)].map((match) => match[1]!);

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

describe('the documentation', () => {
  it('explains every code of an error or a failure, and no other', () => {
    expect(sorted(explained('docs/errors.md'))).toEqual(
      sorted([...Object.keys(errorCodes), ...Object.keys(failureCodes)]),
    );
  });

  it('explains every setting, and no other', () => {
    expect(sorted(explained('docs/settings.md'))).toEqual(sorted(settingNames));
  });

  it('names tests that are there, wherever it promises what one holds', () => {
    const rows = pages.flatMap((page) => [
      ...read(page).matchAll(/^\|[^|]+\| `(test\/[^`]+)` +\| ([^|]+?) +\|$/gm),
    ]);
    expect(rows.length).toBeGreaterThan(40);
    const missing = rows.filter(
      ([, file, name]) => !existsSync(join(root, file!)) || !read(file!).includes(name!),
    );
    expect(missing.map(([row]) => row)).toEqual([]);
  });

  it.each(pages)('names only commands that are there: %s', (page) => {
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

  it.each(pages)('links only to files that are there: %s', (page) => {
    const targets = [...read(page).matchAll(/\]\((?!https?:|#|mailto:)([^)\s#]+)/g)].map(
      (match) => match[1]!,
    );
    expect(targets.filter((target) => !existsSync(resolve(root, dirname(page), target)))).toEqual([]);
  });
});
