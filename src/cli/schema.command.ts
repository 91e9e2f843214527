import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { apiSchema } from '../app/api-schema';
import { printAppSchema } from '../graphql/build-schema';
import type { Shell } from './shell';

/** `likeness schema`: writes the GraphQL schema. Needs neither database nor network. */
export function schemaCommand(shell: Shell): Command {
  return new Command('schema')
    .description('write the GraphQL schema')
    .option('--out <file>', 'output file; - prints to standard output', 'schema/schema.graphql')
    .action(async ({ out }: { out: string }) => {
      const text = printAppSchema(apiSchema());
      if (out === '-') {
        shell.print(text.trimEnd());
        return;
      }
      await writeFile(out, text);
      shell.remark(`Wrote ${out}.`);
    });
}
