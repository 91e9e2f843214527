import { Command } from 'commander';
import { migrate } from '../database/migrate';
import { CommandError, type Shell } from './shell';

/** `likeness migrate`: migrates the database for gateways with MIGRATE=false, under a role that may change the schema. */
export function migrateCommand(shell: Shell): Command {
  return new Command('migrate')
    .description('migrate the database at DATABASE_URL to the latest schema')
    .action(async () => {
      const { DATABASE_URL: url } = shell.environment;
      if (!url) {
        throw new CommandError('Set DATABASE_URL. The gateway migrates the embedded database itself.');
      }
      await migrate(url);
      shell.remark('The database has the latest schema.');
    });
}
