import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { buildSchema, parse, validate } from 'graphql';

const root = resolve(__dirname, '../..');
const read = (name: string): string => readFileSync(join(root, name), 'utf8');

interface CodeBlock {
  language: string;
  code: string;
  /** The last line of text before it. */
  before: string;
  /** The last heading before it. */
  heading: string;
}

function blocksOf(page: string): CodeBlock[] {
  const text = read(page);
  return [...text.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(({ 1: language, 2: code, index }) => {
    const lines = text.slice(0, index).trimEnd().split('\n');
    return {
      language: language!,
      code: code!,
      before: lines.at(-1)!,
      heading: lines.findLast((line) => /^#+ /.test(line)) ?? '',
    };
  });
}

const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

/** Languages of code that is run. */
const runnable = ['sh', 'js', 'ts'];

/** The blocks that tests in test/clients take from these pages and run. */
const isRun: Readonly<Record<string, (block: CodeBlock) => boolean>> = {
  'docs/api.md': ({ heading }) => heading !== '### Client tokens',
  'docs/clients.md': ({ before }) => /^`[\w.-]+`[^\n]*:$/.test(before),
};

/** What a page says, invisibly for readers, before code that no test runs, with the reason. */
const statesReason = ({ before }: CodeBlock): boolean => /^<!-- No test runs this: .+ -->$/.test(before);

describe('code in the documentation', () => {
  it.each(pages)('is run by a test, or says why not: %s', (page) => {
    const blocks = blocksOf(page).filter(({ language }) => runnable.includes(language));
    const others = blocks.filter((block) => isRun[page]?.(block) !== true);
    expect(others.filter((block) => !statesReason(block)).map(({ code }) => code)).toEqual([]);
  });

  it.each(pages)('has operations that the schema allows: %s', (page) => {
    const schema = buildSchema(read('schema/schema.graphql'));
    const documents = blocksOf(page).filter(({ language }) => language === 'graphql');
    const errors = documents.flatMap(({ code }) => validate(schema, parse(code)));
    expect(errors.map(({ message }) => message)).toEqual([]);
  });
});
