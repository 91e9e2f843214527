import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** A tab of GraphiQL: the named operations of one task, and one object with the variables of all of them. */
export interface ExampleTab {
  readonly query: string;
  /** JSON. */
  readonly variables?: string;
}

/** The folder at the top of the project, both from `src` and from `dist`. */
const folder = join(__dirname, '../../../examples');

/**
 * Reads the examples in the order of their names: `<number>-<task>.graphql`, and `<number>-<task>.json` if operations have
 * variables. The editor does not wrap lines: comments of up to 53 characters fit into a window of 1280 pixels.
 */
export async function readExamples(): Promise<ExampleTab[]> {
  const names = (await readdir(folder)).sort();
  const read = (name: string): Promise<string> => readFile(join(folder, name), 'utf8');
  const documents = names.filter((name) => name.endsWith('.graphql'));
  return Promise.all(
    documents.map(async (name) => {
      const variables = name.replace(/graphql$/, 'json');
      const query = await read(name);
      return names.includes(variables) ? { query, variables: await read(variables) } : { query };
    }),
  );
}
