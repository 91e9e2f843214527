import { Command } from 'commander';
import { readLedger } from '../jobs/ledger.repository';
import { providerNames } from '../setting-notations';
import { pauseByOperator, resumeByOperator } from '../upstream/account-pause.repository';
import { jsonOf, tableOf } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';

const pauseDescription = 'stop paid calls until `resume`; jobs stay QUEUED until their deadline';
const resumeDescription = 'resume paid calls, regardless of why they were paused';

/** `likeness upstream pause` and `resume`: pauses or resumes paid calls. Polls and downloads continue. */
export function upstreamCommand(shell: Shell): Command {
  const upstream = new Command('upstream').description('paid calls to the avatar service: pause, resume');
  upstream.addCommand(changeCommand(shell, 'pause')).addCommand(changeCommand(shell, 'resume'));
  return upstream;
}

/** `likeness pause` and `likeness resume`: the same for one provider, or all. */
export function pauseCommands(shell: Shell): Command[] {
  return (['pause', 'resume'] as const).map((name) =>
    changeCommand(shell, name).argument(
      '[provider]',
      'only accounts of this avatar service, such as picsart',
    ),
  );
}

function changeCommand(shell: Shell, name: 'pause' | 'resume'): Command {
  return new Command(name)
    .description(name === 'pause' ? pauseDescription : resumeDescription)
    .option('--account <digest>', 'only the account with this digest prefix')
    .option('--json', 'print JSON')
    .action((...parameters: unknown[]) => {
      // Commander passes the arguments, the options and the command.
      const [options, provider] = parameters.slice(0, -1).reverse() as [ChangeOptions, string | undefined];
      return changePause(shell, name, { ...options, provider: provider ?? null });
    });
}

interface ChangeOptions {
  account?: string;
  json?: boolean;
}

function changePause(
  shell: Shell,
  name: 'pause' | 'resume',
  { account, provider, json = false }: ChangeOptions & { provider: string | null },
): Promise<void> {
  // Such as of an empty variable in a script, which does not mean all accounts.
  if (account === '') throw new CommandError('--account is empty. Leave it out to change all accounts.');
  const prefix = account ?? '';
  const change = name === 'pause' ? pauseByOperator : resumeByOperator;
  if (provider !== null && !providerNames.some((known) => known === provider))
    throw new CommandError(`"${provider}" is not an avatar service (${providerNames.join(', ')}).`);
  return withDatabase(shell, async ({ database, wakeups }) => {
    const changed = await database.transaction((sql) => change(sql, { prefix, provider }));
    if (prefix !== '' && changed.length === 0) throw unknownAccount();
    if (name === 'resume') wakeups.announce({ work: true });
    const lines = changed.map((account) => `Submissions of account ${account} are ${name}d.`);
    if (lines.length === 0)
      lines.push(`No account has been used yet. Submissions of those that are used later are ${name}d.`);
    shell.print(json ? jsonOf(changed.map((account) => ({ account, state: `${name}d` }))) : lines.join('\n'));
  });
}

const unknownAccount = (): CommandError =>
  new CommandError(
    'Account not found. `likeness status` lists the known accounts; a gateway creates its own at its start.',
  );

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
