import { Arg, Ctx, Query, Resolver } from 'type-graphql';
import type { Viewer } from '../core/viewer';
import type { GraphQLContext } from '../graphql/context';
import { trainingIn } from '../models/model.type';
import type { CostEstimateResult, CostEstimates } from './cost-estimate.service';
import { CostEstimate, EstimateCostInput } from './cost-estimate.type';
import { generationIn, instantGenerationIn } from './generation-request.input';

/** `estimateCost`. */
@Resolver()
export class CostEstimateResolver {
  constructor(private readonly estimates: CostEstimates) {}

  @Query(() => CostEstimate, {
    nullable: true,
    description:
      'What a request would cost, without making it. It is checked as by the mutation; what would be refused has a `refusal` instead of an error. Null only with an error.',
  })
  async estimateCost(
    @Arg('input', () => EstimateCostInput, { description: 'The request.' }) input: EstimateCostInput,
    @Ctx() { viewer, loaders }: GraphQLContext,
  ): Promise<CostEstimateResult> {
    // One after the other: each uses a connection of the database.
    return loaders
      .get<EstimateCostInput, CostEstimateResult>('Query.estimateCost', async (inputs) => {
        const results: (CostEstimateResult | Error)[] = [];
        for (const each of inputs) results.push(await this.permitted(viewer, each).catch(asError));
        return results;
      })
      .load(input);
  }

  /** The mutation would refuse who may only read. */
  private async permitted(viewer: Viewer, input: EstimateCostInput): Promise<CostEstimateResult> {
    const estimate = await this.estimate(viewer, input);
    return viewer.scopes.has('write') ? estimate : { ...estimate, refusal: 'FORBIDDEN' };
  }

  private estimate(viewer: Viewer, input: EstimateCostInput): Promise<CostEstimateResult> {
    const { trainModel, generateAvatars, generateInstantAvatars, retry } = input;
    if (trainModel) return this.estimates.training(viewer, trainingIn(trainModel));
    if (generateAvatars) return this.estimates.generation(viewer, generationIn(generateAvatars));
    if (generateInstantAvatars)
      return this.estimates.instant(viewer, instantGenerationIn(generateInstantAvatars));
    return this.estimates.retry(viewer, retry!);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error('Non-Error value thrown.', { cause: error });
}
