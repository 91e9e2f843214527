import { Command } from 'commander';
import type { SubmissionEntity } from '../jobs/submission.entity';
import {
  findJob,
  listJobs,
  submissionsOf,
  type JobFacts,
  type JobListOptions,
  type JobTable,
} from './job.repository';
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

/** `likeness models …` and `likeness generations …`: lists jobs and their paid calls. */
export function jobsCommand(shell: Shell, table: JobTable): Command {
  const jobs = new Command(table).description(`${table}: list, show`);
  jobs
    .command('list')
    .description(`list ${table}, newest first`)
    .option('--owner <owner>', 'only jobs of this owner')
    .option('--status <status>', 'only jobs with this status')
    .option('--limit <number>', 'maximum number of jobs', '50')
    .option('--json', 'print JSON')
    .action((options: JobListOptions) =>
      withDatabase(shell, (context) => list(shell, context, table, options)),
    );
  jobs
    .command('show')
    .description('show one with all its paid calls')
    .argument('<id>', 'the id')
    .option('--json', 'print JSON')
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
    .map((one) => `\n\nAttempt ${one.attempt}, response:\n${printable(one.evidence!)}`);
  const paid = submissions.length > 0 ? calls : 'No paid calls.';
  return `${listOf(job)}\n\n${paid}${evidence.join('')}`;
}
