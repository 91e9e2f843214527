import { QuotaService } from '../accounts/quota.service';
import { Spending, unpriced } from '../accounts/spending.service';
import { spendingOptions } from '../app/auth';
import { readGlobalId } from '../core/ids';
import { UrlSigner } from '../core/signature';
import type { Viewer } from '../core/viewer';
import type { GenerationEntity } from '../generations/generation.entity';
import { jobKinds, photoUse } from '../generations/generation.kind';
import { GenerationLifecycle } from '../generations/generation.lifecycle';
import { countUnfinished } from '../jobs/job-row.repository';
import type { JobKind } from '../jobs/job.kind';
import { JobLifecycle } from '../jobs/job.lifecycle';
import { JobRepository } from '../jobs/job.repository';
import type { ModelEntity } from '../models/model.entity';
import { ModelLifecycle } from '../models/model.lifecycle';
import { JobPhotoService } from '../photos/job-photo.service';
import { PhotoUrls } from '../photos/photo-urls';
import { signingSecrets } from '../storage/data-directory';
import { openMediaStore } from '../storage/open-store';
import { createGuard } from '../upstream/guard';
import { readJobFacts } from './job-listing.repository';
import { CommandError, operatorFor, type OperatorContext } from './shell';

/** A job that a command names, with its owner. */
export interface NamedJob {
  readonly kind: JobKind;
  /** The row's UUID. */
  readonly id: string;
  readonly globalId: string;
  /** The operator, acting on data of the job's owner. */
  readonly operator: Viewer;
}

/**
 * Finds a job by its global id.
 * @throws CommandError
 */
export async function findNamedJob({ database }: OperatorContext, globalId: string): Promise<NamedJob> {
  const read = readGlobalId(globalId);
  const kind = jobKinds.find(({ node }) => node === read?.kind);
  if (!read || !kind) {
    throw new CommandError(
      `"${globalId}" is not the id of a model or generation (examples: model_0192…, generation_0192…).`,
    );
  }
  const { owner } = await readJobFacts(database, kind, read.id);
  return { kind, id: read.id, globalId, operator: operatorFor(owner as string) };
}

/** Creates what changes jobs. Retries count for the owner's quotas but are not limited by them. */
export async function makeLifecycles({ config, database, dataDir, wakeups }: OperatorContext): Promise<{
  models: JobLifecycle<ModelEntity>;
  generations: JobLifecycle<GenerationEntity>;
}> {
  const jobs = new JobRepository(database, wakeups);
  const signer = new UrlSigner(signingSecrets(config.SIGNING_SECRETS, dataDir));
  const guard = createGuard({ allow: config.PHOTO_URL_ALLOW });
  const photos = new JobPhotoService({
    database,
    media: await openMediaStore(config, dataDir),
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
