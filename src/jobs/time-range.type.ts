import { Field, ObjectType } from 'type-graphql';
import { PlainFields } from '../graphql/plain-fields';
import { DateTimeScalar } from '../graphql/scalars';

@PlainFields()
@ObjectType({ description: 'A span of time. Both ends are included.' })
export class TimeRange {
  @Field(() => DateTimeScalar, { description: 'The start.' })
  earliest: Date;

  @Field(() => DateTimeScalar, { description: 'The end.' })
  latest: Date;
}
