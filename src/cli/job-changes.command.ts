import { Command } from 'commander';
import { audit, type AuditedAction } from '../accounts/audit.repository';
import { jobKinds } from '../generations/generation.kind';
import type { JobKind } from '../jobs/job.kind';
import { findNamedJob, makeLifecycles } from './job-lifecycles';
import { listAllJobs, type JobListOptions } from './job-listing.repository';
import { statusOption } from './jobs.command';
import { jsonOf, printState, tableOf } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';

const columns = ['id', 'owner', 'status', 'progress', 'attempt', 'failureCode', 'createdAt'] as const;

/** `likeness jobs`: lists models and generations together. */
export function allJobsCommand(shell: Shell): Command {
  const statuses = [...new Set(jobKinds.flatMap(({ moves }) => Object.keys(moves)))];
  return new Command('jobs')
    .description('list models and generations, newest first')
    .option('--owner <owner>', 'only jobs of this owner')
    .addOption(statusOption(statuses))
    .option('--limit <number>', 'maximum number of jobs', '50')
    .option('--json', 'print JSON')
    .action((options: JobListOptions) =>
      withDatabase(shell, async ({ database }) => {
        const found = await listAllJobs(database, jobKinds, options);
        const rows = found.map((job) => columns.map((name) => job[name] ?? null));
        shell.print(options.json ? jsonOf(found) : tableOf(columns, rows));
      }),
    );
}

/** `likeness retry <id>`: retries a failed or uncertain job, which is paid again. */
export function retryCommand(shell: Shell): Command {
  return new Command('retry')
    .description('retry a failed or UNCERTAIN model or generation; this is paid again')
    .argument('<id>', 'the global id, model_… or generation_…')
    .option('--json', 'print JSON')
    .action((globalId: string, options: { json?: boolean }) =>
      withDatabase(shell, async (context) => {
        const { kind, id, operator } = await findNamedJob(context, globalId);
        const { status } = await (await makeLifecycles(context))[kind.table].retry(operator, id);
        printState(shell, { id: globalId, status }, options);
      }),
    );
}

const cancelActions: Record<JobKind['table'], AuditedAction> = {
  models: 'cancelModel',
  generations: 'cancelGeneration',
};

/** `likeness cancel <id>`: stops a job of any owner. */
export function cancelCommand(shell: Shell): Command {
  return new Command('cancel')
    .description(
      'cancel an unfinished model or generation; what the avatar service has accepted is still charged',
    )
    .argument('<id>', 'the global id, model_… or generation_…')
    .option('--json', 'print JSON')
    .action((globalId: string, options: { json?: boolean }) =>
      withDatabase(shell, async (context) => {
        const { kind, id, operator } = await findNamedJob(context, globalId);
        const action = cancelActions[kind.table];
        const cancelled = await (
          await makeLifecycles(context)
        )[kind.table].cancel(operator, id, (sql) => audit(sql, operator, { action, subject: globalId }));
        printState(shell, { id: globalId, status: cancelled.status }, options);
      }),
    );
}

/** `likeness delete <id>`: deletes a job of any owner with its pictures. */
export function deleteCommand(shell: Shell): Command {
  return new Command('delete')
    .description(
      'permanently delete a model with its generations and avatars, or a generation with its avatars',
    )
    .argument('<id>', 'the global id, model_… or generation_…')
    .option('--yes', 'confirm the deletion')
    .option('--json', 'print JSON')
    .action((globalId: string, { yes = false, json = false }: { yes?: boolean; json?: boolean }) =>
      withDatabase(shell, async (context) => {
        const { kind, id, operator } = await findNamedJob(context, globalId);
        if (!yes) {
          throw new CommandError(
            `Nothing was deleted. This deletes ${globalId} of ${operator.owner} with its pictures permanently: confirm with --yes.`,
          );
        }
        await (await makeLifecycles(context))[kind.table].delete(operator, id);
        shell.print(json ? jsonOf({ id: globalId, deleted: true }) : `${globalId} is deleted.`);
      }),
    );
}
