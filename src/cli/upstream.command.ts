import { Command } from 'commander';
import { pauseByOperator, resumeByOperator } from '../upstream/account-pause.repository';
import { CommandError, type Shell } from './shell';
import { withDatabase } from './with-database';

/** `likeness upstream pause` and `resume`: pauses or resumes paid calls. Polls and downloads continue. */
export function upstreamCommand(shell: Shell): Command {
  const upstream = new Command('upstream').description('paid calls to the avatar service: pause, resume');
  upstream
    .command('pause')
    .description('stop paid calls until `resume`; jobs stay QUEUED until their deadline')
    .option('--account <digest>', 'only the account with this digest prefix', '')
    .action(({ account }: { account: string }) =>
      withDatabase(shell, async ({ database }) => {
        const paused = known(await pauseByOperator(database, account));
        shell.print(paused.map((account) => `Submissions of account ${account} are paused.`).join('\n'));
      }),
    );
  upstream
    .command('resume')
    .description('resume paid calls, regardless of why they were paused')
    .option('--account <digest>', 'only the account with this digest prefix', '')
    .action(({ account }: { account: string }) =>
      withDatabase(shell, async ({ database, wakeups }) => {
        const resumed = known(await resumeByOperator(database, account));
        wakeups.announce({ work: true });
        shell.print(resumed.map((account) => `Submissions of account ${account} are resumed.`).join('\n'));
      }),
    );
  return upstream;
}

function known(accounts: readonly string[]): readonly string[] {
  if (accounts.length > 0) return accounts;
  throw new CommandError('Account not found. `likeness status` lists the known accounts.');
}
