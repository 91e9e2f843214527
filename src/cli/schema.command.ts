import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { apiSchema } from '../app/services';
import { settings } from '../config';
import { engines } from '../database/engine';
import { changeEngine } from '../database/installation';
import { migrate } from '../database/migrate';
import { printAppSchema } from '../graphql/build-schema';
import { CommandError, type Shell } from './shell';

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

/** `likeness migrate`: migrates the database for gateways with MIGRATE=false, under a role that may change the schema. */
export function migrateCommand(shell: Shell): Command {
  return new Command('migrate')
    .description('migrate the database at DATABASE_URL to the latest schema')
    .action(async () => {
      const { DATABASE_URL, DATABASE_DIRECT_URL, DATABASE_ENGINE } = shell.environment;
      const url = [DATABASE_DIRECT_URL, DATABASE_URL].find((each) => each);
      if (!url) {
        throw new CommandError('Set DATABASE_URL. The gateway migrates the embedded database itself.');
      }
      const engine =
        engines[settings.shape.DATABASE_ENGINE.parse(DATABASE_ENGINE?.trim() ? DATABASE_ENGINE : undefined)];
      await migrate(url, undefined, engine);
      await changeEngine(url, engine);
      shell.remark('The database has the latest schema.');
    });
}
