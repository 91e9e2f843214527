import { join } from 'node:path';
import { Command } from 'commander';
import { QuotaService } from '../accounts/quota.service';
import { readGlobalId } from '../core/ids';
import { UrlSigner } from '../core/signature';
import type { GenerationEntity } from '../generations/generation.entity';
import { jobKinds } from '../generations/generation.job';
import { GenerationLifecycle } from '../generations/generation.lifecycle';
import { JobLifecycle } from '../jobs/job.lifecycle';
import { countUnfinished, JobRepository } from '../jobs/job.repository';
import type { ModelEntity } from '../models/model.entity';
import { ModelLifecycle } from '../models/model.lifecycle';
import { JobPhotoService } from '../photos/job-photo.service';
import { PhotoUrls } from '../photos/photo-urls';
import { signingSecrets } from '../storage/data-directory';
import { DiskStore } from '../storage/disk-store';
import { createGuard } from '../upstream/guard';
import { findJob, type JobTable } from './job.repository';
import { CommandError, operatorFor, type Shell } from './shell';
import { withDatabase, type OperatorContext } from './with-database';

/** `likeness retry <id>`: retries a failed or uncertain job, which is paid again. */
export function retryCommand(shell: Shell): Command {
  return new Command('retry')
    .description('retry a failed or UNCERTAIN model or generation; this is paid again')
    .argument('<id>', 'the global id, model_… or generation_…')
    .action((id: string) => withDatabase(shell, (context) => retry(shell, context, id)));
}

async function retry(shell: Shell, context: OperatorContext, globalId: string): Promise<void> {
  const read = readGlobalId(globalId);
  const table = read && tableOfKind(read.kind);
  if (!table) throw new CommandError(`"${globalId}" is not the id of a model or generation.`);
  const { owner } = await findJob(context.database, table, globalId);
  const lifecycles = makeLifecycles(context);
  const queued = await lifecycles[table].retry(operatorFor(owner as string), read.id);
  shell.print(`${globalId} is ${queued.status}.`);
}

function tableOfKind(kind: string): JobTable | null {
  if (kind === 'AvatarModel') return 'models';
  return kind === 'Generation' ? 'generations' : null;
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
  });
  const limits = { trainingsPerDay: null, avatarsPerDay: null, running: null };
  const parts = {
    database,
    jobs,
    provider: { name: config.UPSTREAM },
    quotas: new QuotaService({ sql: database, limits, countRunning: countUnfinished(jobKinds) }),
  };
  const generations = new GenerationLifecycle(photos);
  return {
    generations: new JobLifecycle(parts, generations),
    models: new JobLifecycle(parts, new ModelLifecycle(photos, generations)),
  };
}
