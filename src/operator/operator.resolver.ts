import { Field, FieldResolver, ID, Int, ObjectType, Query, Resolver, Root } from 'type-graphql';
import { ForOperators } from '../graphql/root-fields';
import type { Overview } from './overview.repository';

@ObjectType('JobCount', {
  description: 'How many models, generations or avatars are in a state.',
})
export class JobCountType {
  @Field(() => String, {
    description: '`model`, `generation` or `avatar`.',
  })
  kind: string;

  @Field(() => String, { description: 'The state.' })
  status: string;

  @Field(() => Int, { description: 'The number, for all owners.' })
  count: number;
}

@ObjectType('UncertainJob', {
  description: 'A job for which it is unknown whether the avatar service accepted it.',
})
export class UncertainJobType {
  @Field(() => ID, { description: 'The model’s or generation’s global id.' })
  id: string;

  @Field(() => Date, { description: 'When the request to the avatar service was made.' })
  since: Date;
}

@ObjectType('UpstreamAccount', { description: 'An account at an avatar service.' })
export class UpstreamAccountType {
  @Field(() => String, { description: 'The name of the service.' })
  provider: string;

  @Field(() => String, { description: 'A digest of the service’s address and key.' })
  account: string;

  @Field(() => Date, {
    nullable: true,
    description:
      'No calls are made before this time, because the service requested a pause or kept failing. Null or in the past: calls are made.',
  })
  pausedUntil: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Since when no paid calls are made for this account. Null: paid calls are made.',
  })
  submissionsPausedAt: Date | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Why no paid calls are made: UPSTREAM_CREDITS, UPSTREAM_AUTH, or OPERATOR (`likeness upstream pause`).',
  })
  submissionsPauseReason: string | null;

  @Field(() => Date, {
    nullable: true,
    description: 'When the gateway next checks whether the service accepts the account again.',
  })
  nextCheckAt: Date | null;

  @Field(() => Int, {
    description: 'Number of different jobs whose calls failed since the last successful answer.',
  })
  failures: number;

  @Field(() => Int, { nullable: true, description: 'Remaining credits, as last reported by the service.' })
  creditsAvailable: number | null;

  @Field(() => Date, { nullable: true, description: 'When they were reported.' })
  creditsSeenAt: Date | null;
}

@ObjectType({
  description: 'The state of the gateway, for its operator. Contains no pictures or prompts.',
})
export class Operator {
  @Field(() => [JobCountType], {
    description: 'Numbers of unfinished jobs and avatars by state, and of FAILED jobs that are still polled.',
  })
  jobs: JobCountType[];

  @Field(() => Int, {
    description: 'How long the most overdue work has been due, in milliseconds; 0 if nothing is late.',
  })
  lagMs: number;

  @Field(() => UncertainJobType, {
    nullable: true,
    description: 'The oldest job whose submission has an unknown outcome.',
  })
  uncertain: UncertainJobType | null;

  @Field(() => Date, {
    nullable: true,
    description: 'The earliest time at which the upstream deletes a picture that is not stored yet.',
  })
  nextExpiry: Date | null;

  @Field(() => [UpstreamAccountType], { description: 'The accounts at avatar services.' })
  accounts: UpstreamAccountType[];

  @Field(() => Int, { description: 'Files that are scheduled for deletion and still exist.' })
  pendingMediaDeletions: number;
}

/** Queries for operators. */
@Resolver(() => Operator)
export class OperatorResolver {
  constructor(private readonly overview: () => Promise<Overview>) {}

  @ForOperators()
  @Query(() => Operator, {
    nullable: true,
    description: 'The state of the gateway. Requires the scope `admin`.',
  })
  operator(): Promise<Operator> {
    return this.overview();
  }

  @FieldResolver(() => Int, {
    description: 'Files that are scheduled for deletion and still exist.',
    deprecationReason: 'Use pendingMediaDeletions.',
  })
  doomedMedia(@Root() { pendingMediaDeletions }: Operator): number {
    return pendingMediaDeletions;
  }
}
