import { Ctx, FieldResolver, Query, Resolver } from 'type-graphql';
import type { GraphQLContext } from '../graphql/context';
import type { QuotaService } from './quota.service';
import { ViewerLimits, ViewerType, ViewerUsage } from './viewer.type';

/** Resolves the authenticated viewer with usage and quotas. */
@Resolver(() => ViewerType)
export class ViewerResolver {
  constructor(private readonly quotas: Pick<QuotaService, 'usage' | 'limits'>) {}

  @Query(() => ViewerType, { description: 'The authenticated viewer with scopes, usage and quotas.' })
  viewer(@Ctx() { viewer }: GraphQLContext): ViewerType {
    return { owner: viewer.owner, scopes: [...viewer.scopes] };
  }

  @FieldResolver(() => ViewerUsage, { description: 'Your usage.' })
  usage(@Ctx() { viewer }: GraphQLContext): Promise<ViewerUsage> {
    return this.quotas.usage(viewer);
  }

  @FieldResolver(() => ViewerLimits, { description: 'Your quotas.' })
  limits(): ViewerLimits {
    return this.quotas.limits;
  }
}
