import { Command } from 'commander';
import { readOverview, type AccountState, type Overview } from '../operator/overview.repository';
import { readOperatorPauses } from '../upstream/account-pause.repository';
import { jsonOf, listOf, spanOf, tableOf } from './printout';
import { withDatabase, type Shell } from './shell';

/** `likeness status`: shows jobs, delays and upstream accounts. */
export function statusCommand(shell: Shell): Command {
  return new Command('status')
    .description('show jobs by status, delays, and upstream accounts with their credits')
    .option('--json', 'print JSON')
    .action(({ json = false }: { json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const overview = await readOverview(database);
        const operatorPauses = await readOperatorPauses(database);
        shell.print(json ? jsonOf({ ...overview, operatorPauses }) : describe(overview, operatorPauses));
      }),
    );
}

function describe(
  { jobs, accounts, lagMs, uncertain, nextExpiry, pendingMediaDeletions }: Overview,
  operatorPauses: readonly string[],
): string {
  const now = Date.now();
  const facts = listOf({
    'work is late by': spanOf(lagMs),
    'oldest uncertain': uncertain
      ? `${uncertain.id}, requested ${spanOf(now - uncertain.since.getTime())} ago`
      : 'none',
    'next result expires': nextExpiry ? `in ${spanOf(nextExpiry.getTime() - now)}` : '-',
    'files to delete': pendingMediaDeletions,
    'paused by the operator': operatorPauses.length > 0 ? operatorPauses.join(', ') : 'none',
  });
  const counts = tableOf(
    ['kind', 'status', 'count'],
    jobs.map(({ kind, status, count }) => [kind, status, count]),
  );
  return [facts, counts, ...(accounts.length > 0 ? [tableOfAccounts(accounts, now)] : [])].join('\n\n');
}

function tableOfAccounts(accounts: readonly AccountState[], nowMs: number): string {
  const isPaused = ({ pausedUntil }: AccountState): boolean =>
    pausedUntil !== null && pausedUntil.getTime() > nowMs;
  return tableOf(
    [
      'upstream',
      'account',
      'paused until',
      'submissions paused',
      'reason',
      'next check',
      'failures',
      'credits',
      'seen',
    ],
    accounts.map((account) => [
      account.provider,
      account.account.slice(0, 12),
      isPaused(account) ? account.pausedUntil : null,
      account.submissionsPausedAt,
      account.submissionsPauseReason,
      account.nextCheckAt,
      account.failures,
      account.creditsAvailable,
      account.creditsSeenAt,
    ]),
  );
}
