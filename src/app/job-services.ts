import type { QuotaService } from '../accounts/quota.service';
import { CostEstimates } from '../generations/cost-estimate.service';
import type { GenerationEntity } from '../generations/generation.entity';
import { GenerationLifecycle } from '../generations/generation.lifecycle';
import { GenerationService } from '../generations/generation.service';
import type { JobServiceDeps } from '../jobs/job-creation';
import { JobLifecycle } from '../jobs/job.lifecycle';
import type { ModelEntity } from '../models/model.entity';
import { ModelLifecycle } from '../models/model.lifecycle';
import { ModelService } from '../models/model.service';

/** The services that accept requests of jobs. */
interface JobServices {
  models: ModelService;
  modelLifecycle: JobLifecycle<ModelEntity>;
  generations: GenerationService;
  generationLifecycle: JobLifecycle<GenerationEntity>;
}

/** Creates the services that accept requests of jobs. */
export function makeJobs(deps: JobServiceDeps): JobServices {
  const generationSteps = new GenerationLifecycle(deps.photos);
  return {
    models: new ModelService(deps),
    modelLifecycle: new JobLifecycle(deps, new ModelLifecycle(deps.photos, generationSteps)),
    generations: new GenerationService(deps),
    generationLifecycle: new JobLifecycle(deps, generationSteps),
  };
}

/** Creates the estimates of costs, which make requests without a commit. */
export function makeEstimates(deps: JobServiceDeps, quotas: QuotaService): CostEstimates {
  return new CostEstimates(deps.database, quotas, (dry) => {
    const { models, modelLifecycle, generations, generationLifecycle } = makeJobs({ ...deps, ...dry });
    return {
      models,
      generations,
      lifecycles: { AvatarModel: modelLifecycle, Generation: generationLifecycle },
    };
  });
}
