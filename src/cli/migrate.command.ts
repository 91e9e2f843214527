import { Command } from 'commander';
import { migrate } from '../database/migrate';
import { CommandError, type Shell } from './shell';

/** `likeness migrate`: what a gateway with MIGRATE=false leaves to a role that may change the schema. */
export function migrateCommand(shell: Shell): Command {
  return new Command('migrate')
    .description('brings the database of DATABASE_URL to the newest schema')
    .action(async () => {
      const { DATABASE_URL: url } = shell.environment;
      if (!url) {
        throw new CommandError('Set DATABASE_URL; the embedded database is migrated by the gateway itself.');
      }
      await migrate(url);
      shell.remark('The database has the newest schema.');
    });
}
