import {
  Ctx,
  Field,
  FieldResolver,
  Float,
  ID,
  Int,
  ObjectType,
  Query,
  Resolver,
  Root,
  registerEnumType,
} from 'type-graphql';
import type { GraphQLContext } from '../graphql/context';
import type { Node } from '../graphql/node';
import { ForOperators } from '../graphql/root-fields';
import { Job } from '../jobs/job.type';
import type { Overview } from './overview.repository';

/** The values equal those of earlier versions, in which the field was a string. */
const JobCountKindEnum = { model: 'model', generation: 'generation', avatar: 'avatar' } as const;

type JobCountKind = keyof typeof JobCountKindEnum;

registerEnumType(JobCountKindEnum, {
  name: 'JobCountKind',
  description: 'What a number of the operator counts. More values will be added.',
  valuesConfig: {
    model: { description: 'Models.' },
    generation: { description: 'Generations.' },
    avatar: { description: 'Avatars.' },
  },
});

@ObjectType('JobCount', {
  description: 'The number of models, generations or avatars with a status.',
})
export class JobCountType {
  @Field(() => JobCountKindEnum, { description: 'What is counted.' })
  kind: JobCountKind;

  @Field(() => String, {
    description:
      'The status: a value of `ModelStatus` or `GenerationStatus`; for avatars PENDING (not stored yet) or DELAYED (its generation no longer waits for it, but it is still tried).',
  })
  status: string;

  @Field(() => Int, { description: 'The number, for all owners.' })
  count: number;
}

@ObjectType('UncertainJob', {
  description: 'A job for which it is unknown whether the avatar service accepted it.',
})
export class UncertainJobType {
  @Field(() => ID, { description: 'The global id of the model or generation.' })
  jobId: string;

  @Field(() => ID, {
    description: 'The global id of the model or generation.',
    deprecationReason: 'Use `jobId`. Removed in 1.0.',
  })
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
      'Why no paid calls are made: UPSTREAM_CREDITS, UPSTREAM_AUTH, or OPERATOR (`likeness upstream pause`). Null: paid calls are made.',
  })
  submissionsPauseReason: string | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'When the gateway next checks whether the service accepts the account again; null while paid calls are made, and if the operator has paused them.',
  })
  nextCheckAt: Date | null;

  @Field(() => Int, {
    description: 'The number of different jobs whose calls failed since the last successful answer.',
  })
  failures: number;

  @Field(() => Int, {
    nullable: true,
    description: 'Remaining credits, as last reported by the service; null if it has not reported any.',
  })
  creditsAvailable: number | null;

  @Field(() => Date, {
    nullable: true,
    description: 'When `creditsAvailable` was reported; null if it has not been.',
  })
  creditsSeenAt: Date | null;
}

@ObjectType({
  description: 'The state of the gateway, for its operator. Contains no pictures or prompts.',
})
export class Operator {
  @Field(() => [JobCountType], {
    description:
      'The numbers of unfinished jobs and avatars by status, and of FAILED jobs that are still polled.',
  })
  jobs: JobCountType[];

  @Field(() => Float, {
    description: 'The time for which the most overdue work has been due, in seconds. 0 if nothing is late.',
  })
  lagSeconds: number;

  @Field(() => UncertainJobType, {
    nullable: true,
    description: 'The UNCERTAIN job that has waited longest. Null if no job is UNCERTAIN.',
  })
  uncertain: UncertainJobType | null;

  @Field(() => Date, {
    nullable: true,
    description:
      'The earliest time at which an avatar service deletes a finished picture that is not stored yet. Null if every finished picture is stored.',
  })
  nextExpiry: Date | null;

  @Field(() => [UpstreamAccountType], { description: 'The accounts at avatar services.' })
  accounts: UpstreamAccountType[];

  @Field(() => Int, { description: 'Files that are scheduled for deletion and still exist.' })
  pendingMediaDeletions: number;
}

/** Finds an object by its global id. */
type FindNode = (id: string, context: GraphQLContext) => Promise<Node | null>;

/** The maximum of GraphQL's Int. */
const maxInt = 2 ** 31 - 1;

/** Queries for operators. */
@Resolver(() => Operator)
export class OperatorResolver {
  constructor(private readonly overview: () => Promise<Overview>) {}

  @ForOperators()
  @Query(() => Operator, {
    nullable: true,
    description:
      'The state of the gateway, for all owners. Requires the scope ADMIN: without it, it is null with the error FORBIDDEN.',
  })
  async operator(): Promise<Operator> {
    const { lagMs, uncertain, ...overview } = await this.overview();
    return {
      ...overview,
      lagSeconds: lagMs / 1_000,
      uncertain: uncertain && { ...uncertain, jobId: uncertain.id },
    };
  }

  @FieldResolver(() => Int, {
    description:
      'How long the most overdue work has been due, in milliseconds, at most 2147483647. 0 if nothing is late.',
    deprecationReason: 'Use `lagSeconds`. Removed in 1.0.',
  })
  lagMs(@Root() { lagSeconds }: Operator): number {
    return Math.min(Math.round(lagSeconds * 1_000), maxInt);
  }

  @FieldResolver(() => Int, {
    description: 'Files that are scheduled for deletion and still exist.',
    deprecationReason: 'Use `pendingMediaDeletions`. Removed in 1.0.',
  })
  doomedMedia(@Root() { pendingMediaDeletions }: Operator): number {
    return pendingMediaDeletions;
  }
}

/** The job of an uncertain submission. */
@Resolver(() => UncertainJobType)
export class UncertainJobResolver {
  /** @param findNode - the viewer's object with a global id; null if it does not exist or belongs to another owner */
  constructor(private readonly findNode: FindNode) {}

  @FieldResolver(() => Job, {
    nullable: true,
    description: 'The model or generation. Null if it belongs to another owner: use `jobId`.',
  })
  job(@Root() { jobId }: UncertainJobType, @Ctx() context: GraphQLContext): Promise<Node | null> {
    return this.findNode(jobId, context);
  }
}
