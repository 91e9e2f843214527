import { Command } from 'commander';
import type { SubmissionEntity } from '../jobs/submission.entity';
import { findJob, listJobs, submissionsOf, type JobFacts, type JobListOptions, type JobTable } from './jobs';
import { jsonOf, listOf, printable, tableOf } from './printout';
import type { Shell } from './shell';
import { withDatabase, type OperatorContext } from './with-database';

const columns: Record<JobTable, readonly string[]> = {
  models: ['id', 'owner', 'type', 'status', 'progress', 'photoCount', 'attempt', 'failureCode', 'createdAt'],
  generations: [
    'id',
    'owner',
    'status',
    'progress',
    'wanted',
    'stored',
    'attempt',
    'failureCode',
    'createdAt',
  ],
};

/** `likeness models …` and `likeness generations …`: what there is, and how it was paid for. */
export function jobsCommand(shell: Shell, table: JobTable): Command {
  const jobs = new Command(table).description(`${table}: list, show`);
  jobs
    .command('list')
    .description(`${table}, the newest first`)
    .option('--owner <owner>', 'only this owner’s')
    .option('--status <status>', 'only those in this state')
    .option('--limit <number>', 'how many', '50')
    .option('--json', 'for programs')
    .action((options: JobListOptions) =>
      withDatabase(shell, (context) => list(shell, context, table, options)),
    );
  jobs
    .command('show')
    .description('one of them, with every paid call that was begun for it')
    .argument('<id>', 'its id')
    .option('--json', 'for programs')
    .action((id: string, { json = false }: { json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const job = await findJob(database, table, id);
        const submissions = await submissionsOf(database, table, id);
        shell.print(json ? jsonOf({ ...job, submissions }) : describe(job, submissions));
      }),
    );
  return jobs;
}

async function list(
  shell: Shell,
  { database }: OperatorContext,
  table: JobTable,
  options: JobListOptions,
): Promise<void> {
  const jobs = await listJobs(database, table, options);
  if (options.json) {
    shell.print(jsonOf(jobs));
    return;
  }
  const names = columns[table];
  shell.print(
    tableOf(
      names,
      jobs.map((job) => names.map((name) => job[name] ?? null)),
    ),
  );
}

function describe(job: JobFacts, submissions: readonly SubmissionEntity[]): string {
  const calls = tableOf(
    ['attempt', 'outcome', 'called', 'answered', 'photos fetched', 'http', 'correlation id', 'provider ref'],
    submissions.map((one) => [
      one.attempt,
      one.outcome,
      one.calledAt,
      one.answeredAt,
      one.photosFetchedAt,
      one.httpStatus,
      one.correlationId,
      one.providerRef,
    ]),
  );
  const evidence = submissions
    .filter((one) => one.evidence !== null)
    .map((one) => `\n\nAttempt ${one.attempt}, what came back:\n${printable(one.evidence!)}`);
  const paid = submissions.length > 0 ? calls : 'No paid call has been begun for it.';
  return `${listOf(job)}\n\n${paid}${evidence.join('')}`;
}
