import { Ctx, FieldResolver, Query, Resolver, Field, Int, ObjectType } from 'type-graphql';
import type { Scope } from '../core/viewer';
import type { GraphQLContext } from '../graphql/context';
import { Money } from './money.type';
import type { QuotaService } from './quota.service';
import { ScopeEnum } from './scope.type';

/** GraphQL type of an owner's usage. */
@ObjectType({
  description:
    'What counts against your quotas. A job counts when it is accepted, and again with each retry. It no longer counts if the avatar service certainly did not charge for it; a job that the service accepted counts even if it then fails.',
})
export class ViewerUsage {
  @Field(() => Int, { description: 'The number of trainings since 00:00 UTC, including retries.' })
  trainingsToday: number;

  @Field(() => Int, { description: 'The number of avatars requested since 00:00 UTC, including retries.' })
  avatarsToday: number;

  @Field(() => Int, {
    description:
      'The number of unfinished trainings and generations now: those that wait and those that run, including UNCERTAIN ones.',
  })
  running: number;

  @Field(() => Date, { description: 'When the daily counts are reset: the next 00:00 UTC.' })
  resetsAt: Date;

  @Field(() => Money, {
    nullable: true,
    description:
      'The money reserved for attempts that are not over. Null if the operator has configured no prices.',
  })
  reserved: Money | null;

  @Field(() => Money, {
    nullable: true,
    description: 'The money spent since 00:00 UTC. Null if the operator has configured no prices.',
  })
  spentToday: Money | null;

  @Field(() => Money, {
    nullable: true,
    description:
      'The money spent since the first of the month, 00:00 UTC. Null if the operator has configured no prices.',
  })
  spentThisMonth: Money | null;
}

/** GraphQL type of an owner's quotas. */
@ObjectType({
  description: 'Your quotas. A mutation that would exceed one fails with QUOTA_EXCEEDED, and is not charged.',
})
export class ViewerLimits {
  @Field(() => Int, {
    nullable: true,
    description: 'The maximum number of trainings per UTC day, including retries. Null: unlimited.',
  })
  trainingsPerDay: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'The maximum number of avatars per UTC day, including retries. Null: unlimited.',
  })
  avatarsPerDay: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'The maximum number of unfinished trainings and generations together, waiting ones included. Further requests are refused. Null: unlimited.',
  })
  running: number | null;

  @Field(() => Money, {
    nullable: true,
    description: 'The maximum of what is spent per UTC day, with all that is reserved. Null: unlimited.',
  })
  spendPerDay: Money | null;

  @Field(() => Money, {
    nullable: true,
    description: 'The maximum of what is spent per UTC month, with all that is reserved. Null: unlimited.',
  })
  spendPerMonth: Money | null;
}

/** GraphQL type of the viewer. */
@ObjectType('Viewer', { description: 'The authenticated caller.' })
export class ViewerType {
  @Field(() => String, {
    description:
      'The owner of everything that you create: your token’s `sub`, your key’s owner, `@<key’s owner>/<user>` if the key acts for a user, or `local`.',
  })
  owner: string;

  @Field(() => [ScopeEnum], { description: 'What you may do: READ, WRITE and ADMIN.' })
  grantedScopes: Scope[];

  @Field(() => [String], {
    description: 'What you may do, as text: `read`, `write`, `admin`.',
    deprecationReason: 'Use `grantedScopes`. Removed in 1.0.',
  })
  scopes: string[];
}

/** Resolves the authenticated viewer with usage and quotas. */
@Resolver(() => ViewerType)
export class ViewerResolver {
  constructor(private readonly quotas: Pick<QuotaService, 'usage' | 'limits' | 'spending'>) {}

  @Query(() => ViewerType, { description: 'You, the authenticated caller, with scopes, usage and quotas.' })
  viewer(@Ctx() { viewer }: GraphQLContext): ViewerType {
    const scopes = [...viewer.scopes];
    return { owner: viewer.owner, grantedScopes: scopes, scopes };
  }

  @FieldResolver(() => ViewerUsage, { description: 'What you have used of your quotas.' })
  usage(@Ctx() { viewer }: GraphQLContext): Promise<ViewerUsage> {
    return this.quotas.usage(viewer);
  }

  @FieldResolver(() => ViewerLimits, { description: 'Your quotas.' })
  limits(): ViewerLimits {
    return { ...this.quotas.limits, ...this.quotas.spending.limits };
  }
}
