import { Field, Int, ObjectType } from 'type-graphql';

/** What an owner has asked for, as clients see it. */
@ObjectType({ description: 'What you have asked for. What failed is given back and does not count.' })
export class ViewerUsage {
  @Field(() => Int, { description: 'Trainings asked for since 00:00 UTC, retries among them.' })
  trainingsToday: number;

  @Field(() => Int, { description: 'Avatars asked for since 00:00 UTC, retries among them.' })
  avatarsToday: number;

  @Field(() => Int, { description: 'Trainings and generations that are not over.' })
  running: number;

  @Field(() => Date, { description: 'When the counts of the day begin anew: the next 00:00 UTC.' })
  resetsAt: Date;
}

/** The most that an owner may ask for, as clients see it. */
@ObjectType({
  description: 'The most that you may ask for; null: without limit. Beyond it the error is QUOTA_EXCEEDED.',
})
export class ViewerLimits {
  @Field(() => Int, { nullable: true, description: 'Trainings from 00:00 UTC to the next.' })
  trainingsPerDay: number | null;

  @Field(() => Int, { nullable: true, description: 'Avatars from 00:00 UTC to the next.' })
  avatarsPerDay: number | null;

  @Field(() => Int, { nullable: true, description: 'Trainings and generations at once.' })
  running: number | null;
}

/** Who is asking, as clients see it. */
@ObjectType('Viewer', { description: 'Who you are.' })
export class ViewerType {
  @Field(() => String, {
    description:
      'Whom everything that you make belongs to: your token’s `sub`, your key’s owner, `@<key’s owner>/<user>` if the key acts for a user, or `local`.',
  })
  owner: string;

  @Field(() => [String], {
    description:
      'What you may do: `read` (queries, subscriptions), `write` (mutations), `admin` (`operator`).',
  })
  scopes: string[];
}
