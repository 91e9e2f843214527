import type { WorkSize } from '../accounts/prices';
import type { QuotaService } from '../accounts/quota.service';
import { dryRunOf } from '../core/dry-run';
import { DomainError, notFound, type ErrorCode } from '../core/errors';
import { readGlobalId } from '../core/ids';
import type { ProblemCollector } from '../core/input-problems';
import type { Money } from '../core/money';
import type { Transactions } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { JobServiceDeps } from '../jobs/job-creation';
import { findJobsOf } from '../jobs/job-row.repository';
import type { JobRow } from '../jobs/job.kind';
import type { JobLifecycle } from '../jobs/job.lifecycle';
import { JobRepository } from '../jobs/job.repository';
import type { ModelService, TrainModelRequest } from '../models/model.service';
import type { GenerateAvatarsRequest, GenerationService, InstantAvatarsRequest } from './generation.service';

/** The services that accept paid requests. */
export interface PaidServices {
  readonly models: Pick<ModelService, 'train'>;
  readonly generations: Pick<GenerationService, 'generate' | 'generateInstant'>;
  readonly lifecycles: Readonly<
    Record<'AvatarModel' | 'Generation', Pick<JobLifecycle<JobRow>, 'kind' | 'retry'>>
  >;
}

/** A request, with the problems that were found in its input. */
interface Read<Request> {
  readonly request: Request;
  readonly problems: ProblemCollector;
}

/** What a request would cost. */
export interface CostEstimateResult {
  readonly total: Money | null;
  readonly refusal: ErrorCode | null;
}

/** Errors that say nothing about the request. */
const temporary: ReadonlySet<ErrorCode> = new Set([
  'SERVICE_UNAVAILABLE',
  'TIMEOUT',
  'INTERNAL_SERVER_ERROR',
]);

/**
 * Estimates the cost of requests. A request is made in a transaction that is rolled back, so that it is refused exactly if
 * the mutation would be.
 */
export class CostEstimates {
  /** @param create - creates services that use the given database, rows and quotas */
  constructor(
    private readonly database: Transactions,
    private readonly quotas: Pick<QuotaService, 'reserve' | 'spending'>,
    private readonly create: (deps: Pick<JobServiceDeps, 'database' | 'jobs' | 'quotas'>) => PaidServices,
  ) {}

  /** `trainModel` */
  training(viewer: Viewer, { request, problems }: Read<TrainModelRequest>): Promise<CostEstimateResult> {
    const size: WorkSize = { work: 'training', units: request.photoCount };
    return this.estimate(({ models }) => models.train(viewer, request, problems), size);
  }

  /** `generateAvatars` */
  generation(viewer: Viewer, request: GenerateAvatarsRequest): Promise<CostEstimateResult> {
    const units = request.prompts.reduce((sum, { count }) => sum + count, 0);
    return this.estimate(({ generations }) => generations.generate(viewer, request), {
      ...{ work: 'generation', units },
    });
  }

  /** `generateInstantAvatars` */
  instant(viewer: Viewer, { request, problems }: Read<InstantAvatarsRequest>): Promise<CostEstimateResult> {
    const size: WorkSize = { work: 'instant', units: request.count };
    return this.estimate(({ generations }) => generations.generateInstant(viewer, request, problems), size);
  }

  /** `retryModel` or `retryGeneration`, of a PARTIAL generation with `missingOnly`. */
  async retry(viewer: Viewer, globalId: string): Promise<CostEstimateResult> {
    const target = readGlobalId(globalId);
    let size: WorkSize | null = null;
    return this.estimate(
      async ({ lifecycles }) => {
        if (target?.kind !== 'AvatarModel' && target?.kind !== 'Generation')
          throw notFound('job', 'input.retry');
        const lifecycle = lifecycles[target.kind];
        const [job] = await findJobsOf(this.database, lifecycle.kind, viewer.owner, [target.id]);
        if (!job) throw notFound(lifecycle.kind.noun, 'input.retry');
        size = lifecycle.kind.sizeOf(job);
        await lifecycle.retry(viewer, target.id, { missingOnly: job.status === 'PARTIAL' });
      },
      () => size,
    );
  }

  /** @param size - what the price depends on unless the request is priced, because it is refused before */
  private async estimate(
    make: (services: PaidServices) => Promise<unknown>,
    size: WorkSize | (() => WorkSize | null),
  ): Promise<CostEstimateResult> {
    const { spending } = this.quotas;
    const database = dryRunOf(this.database);
    const reserved: { cost: bigint | null } = { cost: null };
    const quotas: JobServiceDeps['quotas'] = {
      reserve: (sql, viewer, reservation) => {
        reserved.cost = spending.costOf(reservation.size);
        return this.quotas.reserve(sql, viewer, reservation);
      },
    };
    const jobs = new JobRepository(database, { announce: () => undefined });
    const refusal = await refusalOf(() => make(this.create({ database, jobs, quotas })));
    const { cost } = reserved;
    // A repeated request reserves nothing.
    if (refusal === null)
      return { total: spending.moneyOf(spending.isPriced ? (cost ?? 0n) : null), refusal };
    const given = typeof size === 'function' ? size() : size;
    const isPriced = given !== null && given.units >= 0;
    return { total: spending.moneyOf(cost ?? (isPriced ? spending.costOf(given) : null)), refusal };
  }
}

/** The code of the error that refuses the request; null if it is accepted. */
async function refusalOf(make: () => Promise<unknown>): Promise<ErrorCode | null> {
  try {
    await make();
    return null;
  } catch (error) {
    if (!(error instanceof DomainError) || temporary.has(error.code)) throw error;
    return error.code;
  }
}
