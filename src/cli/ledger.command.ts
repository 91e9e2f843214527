import { Command } from 'commander';
import { readLedger } from '../jobs/ledger.repository';
import { jsonOf, tableOf } from './printout';
import { CommandError, type Shell } from './shell';
import { withDatabase } from './with-database';

const maxDays = 3_660;

/** `likeness ledger`: shows paid calls by day, including deleted jobs. */
export function ledgerCommand(shell: Shell): Command {
  return new Command('ledger')
    .description('show paid trainings, avatars and calls of unknown outcome by day')
    .option('--days <number>', 'number of days, including today', '31')
    .option('--json', 'print JSON')
    .action(({ days, json = false }: { days: string; json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const count = Number(days);
        if (!Number.isInteger(count) || count < 1 || count > maxDays)
          throw new CommandError(`--days must be a whole number from 1 to ${maxDays}.`);
        const ledger = await readLedger(database, count);
        const columns = [
          ...(['day', 'provider', 'account', 'trainings', 'avatars'] as const),
          ...(['uncertainTrainings', 'uncertainAvatars', 'notExecuted', 'creditsAvailable'] as const),
        ];
        const rows = ledger.map((day) => columns.map((name) => day[name]));
        shell.print(json ? jsonOf(ledger) : tableOf(columns, rows));
      }),
    );
}
