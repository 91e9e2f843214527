import { Field, ID, Int, ObjectType } from 'type-graphql';

/** How many jobs are in a state, as operators see it. */
@ObjectType('JobCount', { description: 'How many models, generations or avatars are in a state.' })
export class JobCountType {
  @Field(() => String, {
    description: '`model`, `generation` or `avatar`; of avatars those that are not stored yet.',
  })
  kind: string;

  @Field(() => String, { description: 'The state.' })
  status: string;

  @Field(() => Int, { description: 'How many, of all owners.' })
  count: number;
}

/** An uncertain job, as operators see it. */
@ObjectType('UncertainJob', { description: 'A job that the avatar service may or may not have taken.' })
export class UncertainJobType {
  @Field(() => ID, { description: 'The model’s or generation’s global id.' })
  id: string;

  @Field(() => Date, { description: 'When the avatar service was asked.' })
  since: Date;
}

/** An account at an avatar service, as operators see it. */
@ObjectType('UpstreamAccount', { description: 'An account at an avatar service.' })
export class UpstreamAccountType {
  @Field(() => String, { description: 'Which service.' })
  provider: string;

  @Field(() => String, { description: 'A digest of its address and key.' })
  account: string;

  @Field(() => Date, {
    nullable: true,
    description:
      'It is not called before: it asked for a pause, or kept failing. Null, or past: it is called.',
  })
  pausedUntil: Date | null;

  @Field(() => Date, {
    nullable: true,
    description: 'Since when no paid call is made for this account. Null: paid calls are made.',
  })
  submissionsPausedAt: Date | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Why no paid call is made: UPSTREAM_CREDITS, UPSTREAM_AUTH, or OPERATOR (`likeness upstream pause`).',
  })
  submissionsPauseReason: string | null;

  @Field(() => Date, {
    nullable: true,
    description: 'When it is checked next whether the service accepts the account again.',
  })
  nextCheckAt: Date | null;

  @Field(() => Int, { description: 'Different jobs whose calls failed since the last good answer.' })
  failures: number;

  @Field(() => Int, { nullable: true, description: 'Credits left, as the service said last.' })
  creditsAvailable: number | null;

  @Field(() => Date, { nullable: true, description: 'When it said so.' })
  creditsSeenAt: Date | null;
}

/** How everything stands, as operators see it. */
@ObjectType({
  description: 'How everything stands, for whoever runs the gateway. Nothing of anybody’s pictures.',
})
export class Operator {
  @Field(() => [JobCountType], { description: 'What there is, by state.' })
  jobs: JobCountType[];

  @Field(() => Int, {
    description: 'How long the work that waits longest has been due, in milliseconds; 0 if none is late.',
  })
  lagMs: number;

  @Field(() => UncertainJobType, {
    nullable: true,
    description: 'The oldest job whose submission has an unknown outcome.',
  })
  uncertain: UncertainJobType | null;

  @Field(() => Date, {
    nullable: true,
    description: 'When the first of the pictures that are not stored yet is deleted upstream.',
  })
  nextExpiry: Date | null;

  @Field(() => [UpstreamAccountType], { description: 'The accounts at avatar services, with their credits.' })
  accounts: UpstreamAccountType[];

  @Field(() => Int, { description: 'Files that are scheduled for deletion and still exist.' })
  pendingMediaDeletions: number;
}
