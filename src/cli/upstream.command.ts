import { Command } from 'commander';
import { pauseByOperator, resumeByOperator } from '../upstream/account-pause';
import { CommandError, type Shell } from './shell';
import { withDatabase } from './with-database';

/** `likeness upstream pause` and `resume`: whether paid calls are made. Polls and downloads go on. */
export function upstreamCommand(shell: Shell): Command {
  const upstream = new Command('upstream').description('paid calls to the avatar service: pause, resume');
  upstream
    .command('pause')
    .description('makes no paid call until `resume`; jobs stay QUEUED until their deadline')
    .option('--account <digest>', 'only this account, by the beginning of its digest', '')
    .action(({ account }: { account: string }) =>
      withDatabase(shell, async ({ database }) => {
        const paused = known(await pauseByOperator(database, account));
        shell.print(paused.map((each) => `Submissions of account ${each} are paused.`).join('\n'));
      }),
    );
  upstream
    .command('resume')
    .description('makes paid calls again, whatever they were paused for')
    .option('--account <digest>', 'only this account, by the beginning of its digest', '')
    .action(({ account }: { account: string }) =>
      withDatabase(shell, async ({ database, wakeups }) => {
        const resumed = known(await resumeByOperator(database, account));
        wakeups.announce({ work: true });
        shell.print(resumed.map((each) => `Submissions of account ${each} are resumed.`).join('\n'));
      }),
    );
  return upstream;
}

function known(accounts: readonly string[]): readonly string[] {
  if (accounts.length > 0) return accounts;
  throw new CommandError('No such account. `likeness status` lists those that a gateway has used.');
}
