import { Command, Option } from 'commander';
import { readGlobalId } from '../core/ids';
import type { JobKind } from '../jobs/job.kind';
import type { SubmissionEntity } from '../jobs/submission.entity';
import { callOf, messageOf, type EntryCall } from '../jobs/timeline-text';
import { timelineOf } from '../jobs/timeline.repository';
import {
  readJobFacts,
  listJobs,
  submissionsOf,
  type JobFacts,
  type JobListOptions,
} from './job-listing.repository';
import { jsonOf, listOf, printable, tableOf } from './printout';
import { CommandError, withDatabase, type Shell } from './shell';

const listed: Record<JobKind['table'], readonly string[]> = {
  models: ['id', 'owner', 'type', 'status', 'progress', 'photoCount', 'attempt', 'failureCode', 'createdAt'],
  generations: [
    ...['id', 'owner', 'status', 'progress', 'wanted', 'stored', 'attempt', 'failureCode', 'createdAt'],
  ],
};

/** `--status`, one of the given words in any case; others are refused with the list. */
export function statusOption(words: readonly string[]): Option {
  const option = new Option('--status <status>', 'only those with this status').choices(words);
  const { parseArg } = option;
  // Commander compares the case.
  return option.argParser((word: string) => parseArg!(word.toUpperCase(), ''));
}

/** `likeness models …` and `likeness generations …`: lists jobs and their paid calls. */
export function jobsCommand(shell: Shell, kind: JobKind): Command {
  const { table } = kind;
  const jobs = new Command(table).description(`${table}: list, show`);
  jobs
    .command('list')
    .description(`list ${table}, newest first`)
    .option('--owner <owner>', 'only jobs of this owner')
    .addOption(statusOption(Object.keys(kind.moves)))
    .option('--limit <number>', 'maximum number of jobs', '50')
    .option('--json', 'print JSON')
    .action((options: JobListOptions) =>
      withDatabase(shell, async ({ database }) => {
        const found = await listJobs(database, kind, options);
        const rows = found.map((job) => listed[table].map((name) => job[name] ?? null));
        shell.print(options.json ? jsonOf(found) : tableOf(listed[table], rows));
      }),
    );
  jobs
    .command('show')
    .description('show one with all its paid calls and its timeline')
    .argument('<id>', 'the id')
    .option('--json', 'print JSON')
    .action((id: string, { json = false }: { json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const rowId = rowIdOf(kind, id);
        const job = await readJobFacts(database, kind, rowId);
        const submissions = await submissionsOf(database, kind, rowId);
        const timeline = (await timelineOf(database, kind, rowId)).map((entry) => ({
          occurredAt: entry.occurredAt,
          attempt: entry.attempt,
          kind: entry.kind,
          message: messageOf(entry),
          call: callOf(entry, ['admin']),
        }));
        shell.print(json ? jsonOf({ ...job, submissions, timeline }) : describe(job, submissions, timeline));
      }),
    );
  return jobs;
}

const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The row's UUID for a global id or a UUID. */
function rowIdOf(kind: JobKind, givenId: string): string {
  const parsed = readGlobalId(givenId);
  if (parsed?.kind === kind.node) return parsed.id;
  if (uuidPattern.test(givenId)) return givenId;
  throw new CommandError(`"${givenId}" is not the id of a ${kind.noun} (example: ${kind.noun}_0192…).`);
}

/** An entry of a timeline with the provider's id of its call. */
interface ListedEntry {
  readonly occurredAt: Date;
  readonly attempt: number;
  readonly message: string;
  readonly call: EntryCall | null;
}

function describe(
  job: JobFacts,
  submissions: readonly SubmissionEntity[],
  timeline: readonly ListedEntry[],
): string {
  const entries = tableOf(
    ['time', 'attempt', 'what', 'http', 'ms', 'correlation id'],
    timeline.map(({ occurredAt, attempt, message, call }) => [
      ...[occurredAt, attempt, message],
      ...[call?.httpStatus ?? null, call?.durationMs ?? null, call?.correlationId ?? null],
    ]),
  );
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
  const steps = timeline.length > 0 ? `\n\nTimeline:\n${entries}` : '';
  return `${listOf(job)}\n\n${paid}${evidence.join('')}${steps}`;
}
