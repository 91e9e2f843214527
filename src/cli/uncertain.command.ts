import { Command } from 'commander';
import { audit } from '../accounts/audit.repository';
import { jobKinds } from '../generations/generation.kind';
import { JobRepository } from '../jobs/job.repository';
import { settleUncertain, type UncertainVerdict } from '../jobs/operator-settlement';
import { findNamedJob } from './job-lifecycles';
import { jsonOf, printState, tableOf } from './printout';
import { providerRef } from './register-lines';
import { CommandError, withDatabase, type OperatorContext, type Shell } from './shell';
import { listUncertain } from './uncertain-listing.repository';

interface SettleOptions {
  accepted?: string;
  notExecuted?: boolean;
  json?: boolean;
}

const columns = [
  'id',
  'owner',
  'attempt',
  'calledAt',
  'photosFetchedAt',
  'httpStatus',
  'correlationId',
  'settledAt',
] as const;

/** `likeness uncertain …`: lists jobs whose paid call has an unknown outcome, and settles them. */
export function uncertainCommand(shell: Shell): Command {
  const uncertain = new Command('uncertain').description(
    'jobs whose paid call has an unknown outcome: list, settle',
  );
  uncertain
    .command('list')
    .description('list them with what to give the support of the avatar service, oldest first')
    .option('--json', 'print JSON')
    .action(({ json = false }: { json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const found = (await Promise.all(jobKinds.map((kind) => listUncertain(database, kind)))).flat();
        const rows = found.map((job) => columns.map((name) => job[name] ?? null));
        shell.print(json ? jsonOf(found) : tableOf(columns, rows));
      }),
    );
  uncertain
    .command('settle')
    .description(
      'state what has become of the call, according to the bill or the support of the avatar service',
    )
    .argument('<id>', 'the global id, model_… or generation_…')
    .option('--accepted <provider-id>', 'it was accepted, with this id: the job continues')
    .option('--not-executed', 'it was not executed: the job is submitted again')
    .option('--json', 'print JSON')
    .action((id: string, options: SettleOptions) =>
      withDatabase(shell, (context) => settle(shell, context, id, options)),
    );
  return uncertain;
}

async function settle(
  shell: Shell,
  context: OperatorContext,
  globalId: string,
  options: SettleOptions,
): Promise<void> {
  const verdict = verdictOf(options);
  const { kind, id, operator } = await findNamedJob(context, globalId);
  const { config, database, wakeups } = context;
  const deadlineMs = kind.table === 'models' ? config.TRAINING_DEADLINE : config.GENERATION_DEADLINE;
  const settled = await settleUncertain(
    new JobRepository(database, wakeups),
    kind,
    { id, verdict, deadlineMs },
    (sql) =>
      audit(sql, operator, {
        action: 'settleUncertain',
        subject: globalId,
        details: { accepted: verdict.outcome === 'ACCEPTED' },
      }),
  );
  if (settled === null) throw new CommandError(`${globalId} is not UNCERTAIN. Nothing was changed.`);
  printState(shell, { id: globalId, status: settled.status }, options);
}

function verdictOf({ accepted, notExecuted = false }: SettleOptions): UncertainVerdict {
  if ((accepted !== undefined) === notExecuted) {
    throw new CommandError(
      'State the outcome of the call: --accepted <provider-id>, or --not-executed. To give the job up, use `likeness cancel`.',
    );
  }
  if (accepted === undefined) return { outcome: 'NOT_EXECUTED' };
  const { data: ref, error } = providerRef.safeParse(accepted);
  if (error) throw new CommandError(`--accepted ${error.issues[0]!.message}.`);
  return { outcome: 'ACCEPTED', ref };
}
