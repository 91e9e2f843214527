import { Field, InputType } from 'type-graphql';
import { DateTimeScalar } from '../graphql/scalars';

/** What the inputs that create jobs have in common. */
@InputType()
export abstract class StartInput {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'Cancel the job, free of charge, if it is still QUEUED at this moment, which must be in the future. A call to the avatar service that has begun is not cancelled. Null: no such limit.',
  })
  startBy?: Date | null;
}
