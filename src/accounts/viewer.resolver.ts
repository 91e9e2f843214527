import { Ctx, FieldResolver, Query, Resolver } from 'type-graphql';
import type { GraphQLContext } from '../graphql/context';
import type { QuotaService } from './quota.service';
import { ViewerLimits, ViewerType, ViewerUsage } from './viewer.type';

/** The viewer for clients. */
@Resolver(() => ViewerType)
export class ViewerResolver {
  constructor(private readonly quotas: Pick<QuotaService, 'usage' | 'limits'>) {}

  @Query(() => ViewerType, { description: 'Who you are, what you may do, and how much.' })
  viewer(@Ctx() { viewer }: GraphQLContext): ViewerType {
    return { owner: viewer.owner, scopes: [...viewer.scopes] };
  }

  @FieldResolver(() => ViewerUsage, { description: 'What you have asked for.' })
  usage(@Ctx() { viewer }: GraphQLContext): Promise<ViewerUsage> {
    return this.quotas.usage(viewer);
  }

  @FieldResolver(() => ViewerLimits, { description: 'The most that you may ask for.' })
  limits(): ViewerLimits {
    return this.quotas.limits;
  }
}
