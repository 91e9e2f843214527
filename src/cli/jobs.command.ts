import { join } from 'node:path';
import { Command } from 'commander';
import { QuotaService } from '../accounts/quota.service';
import { Spending, unpriced } from '../accounts/spending.service';
import { spendingOptions } from '../app/auth';
import { readGlobalId } from '../core/ids';
import { UrlSigner } from '../core/signature';
import type { GenerationEntity } from '../generations/generation.entity';
import { jobKinds, photoUse } from '../generations/generation.kind';
import { GenerationLifecycle } from '../generations/generation.lifecycle';
import { countUnfinished } from '../jobs/job-row.repository';
import type { JobKind } from '../jobs/job.kind';
import { JobLifecycle } from '../jobs/job.lifecycle';
import { JobRepository } from '../jobs/job.repository';
import type { SubmissionEntity } from '../jobs/submission.entity';
import type { ModelEntity } from '../models/model.entity';
import { ModelLifecycle } from '../models/model.lifecycle';
import { JobPhotoService } from '../photos/job-photo.service';
import { PhotoUrls } from '../photos/photo-urls';
import { signingSecrets } from '../storage/data-directory';
import { DiskStore } from '../storage/disk-store';
import { createGuard } from '../upstream/guard';
import {
  readJobFacts,
  listJobs,
  submissionsOf,
  type JobFacts,
  type JobListOptions,
} from './job-listing.repository';
import { jsonOf, listOf, printable, tableOf } from './printout';
import { CommandError, operatorFor, withDatabase, type OperatorContext, type Shell } from './shell';

const listed: Record<JobKind['table'], readonly string[]> = {
  models: ['id', 'owner', 'type', 'status', 'progress', 'photoCount', 'attempt', 'failureCode', 'createdAt'],
  generations: [
    ...['id', 'owner', 'status', 'progress', 'wanted', 'stored', 'attempt', 'failureCode', 'createdAt'],
  ],
};

/** `likeness models …` and `likeness generations …`: lists jobs and their paid calls. */
export function jobsCommand(shell: Shell, kind: JobKind): Command {
  const { table } = kind;
  const jobs = new Command(table).description(`${table}: list, show`);
  jobs
    .command('list')
    .description(`list ${table}, newest first`)
    .option('--owner <owner>', 'only jobs of this owner')
    .option('--status <status>', 'only jobs with this status')
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
    .description('show one with all its paid calls')
    .argument('<id>', 'the id')
    .option('--json', 'print JSON')
    .action((id: string, { json = false }: { json?: boolean }) =>
      withDatabase(shell, async ({ database }) => {
        const rowId = rowIdOf(kind, id);
        const job = await readJobFacts(database, kind, rowId);
        const submissions = await submissionsOf(database, kind, rowId);
        shell.print(json ? jsonOf({ ...job, submissions }) : describe(job, submissions));
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

/** `likeness retry <id>`: retries a failed or uncertain job, which is paid again. */
export function retryCommand(shell: Shell): Command {
  return new Command('retry')
    .description('retry a failed or UNCERTAIN model or generation; this is paid again')
    .argument('<id>', 'the global id, model_… or generation_…')
    .action((id: string) => withDatabase(shell, (context) => retry(shell, context, id)));
}

async function retry(shell: Shell, context: OperatorContext, globalId: string): Promise<void> {
  const read = readGlobalId(globalId);
  const kind = jobKinds.find(({ node }) => node === read?.kind);
  if (!read || !kind) throw new CommandError(`"${globalId}" is not the id of a model or generation.`);
  const { owner } = await readJobFacts(context.database, kind, read.id);
  const queued = await makeLifecycles(context)[kind.table].retry(operatorFor(owner as string), read.id);
  shell.print(`${globalId} is ${queued.status}.`);
}

/** Creates the gateway's services. Retries count for the owner's quotas but are not limited by them. */
function makeLifecycles({ config, database, dataDir, wakeups }: OperatorContext): {
  models: JobLifecycle<ModelEntity>;
  generations: JobLifecycle<GenerationEntity>;
} {
  const jobs = new JobRepository(database, wakeups);
  const signer = new UrlSigner(signingSecrets(config.SIGNING_SECRETS, dataDir));
  const guard = createGuard({ allow: config.PHOTO_URL_ALLOW });
  const photos = new JobPhotoService({
    database,
    media: new DiskStore(join(dataDir, 'media')),
    urls: new PhotoUrls(signer, () => config.PUBLIC_URL ?? ''),
    checkUrl: (url) => guard.checkUrl(url),
    // This process does not serve photos.
    onUnrecordedFetch: () => undefined,
    retentionMs: config.PHOTO_RETENTION,
    use: photoUse,
  });
  const limits = { trainingsPerDay: null, avatarsPerDay: null, running: null };
  const spending = { ...spendingOptions(config), limits: unpriced.limits };
  const parts = {
    database,
    jobs,
    provider: { name: config.UPSTREAM },
    quotas: new QuotaService(database, limits, new Spending(spending), countUnfinished(jobKinds)),
  };
  const generations = new GenerationLifecycle(photos);
  return {
    generations: new JobLifecycle(parts, generations),
    models: new JobLifecycle(parts, new ModelLifecycle(photos, generations)),
  };
}
