import { Command } from 'commander';
import { readLedger } from '../jobs/ledger.repository';
import { pauseByOperator, resumeByOperator } from '../upstream/account-pause.repository';
import { jsonOf, tableOf } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';

/** `likeness upstream pause` and `resume`: pauses or resumes paid calls. Polls and downloads continue. */
export function upstreamCommand(shell: Shell): Command {
  const upstream = new Command('upstream').description('paid calls to the avatar service: pause, resume');
  const command = (
    name: string,
    description: string,
    change: typeof pauseByOperator,
    state: string,
  ): void => {
    upstream
      .command(name)
      .description(description)
      .option('--account <digest>', 'only the account with this digest prefix', '')
      .action(({ account }: { account: string }) =>
        withDatabase(shell, async ({ database, wakeups }) => {
          const changed = known(await change(database, account));
          if (change === resumeByOperator) wakeups.announce({ work: true });
          shell.print(changed.map((account) => `Submissions of account ${account} are ${state}.`).join('\n'));
        }),
      );
  };
  const pause = 'stop paid calls until `resume`; jobs stay QUEUED until their deadline';
  command('pause', pause, pauseByOperator, 'paused');
  command('resume', 'resume paid calls, regardless of why they were paused', resumeByOperator, 'resumed');
  return upstream;
}

function known(accounts: readonly string[]): readonly string[] {
  if (accounts.length > 0) return accounts;
  throw new CommandError('Account not found. `likeness status` lists the known accounts.');
}

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
