import { Field, InputType, registerEnumType } from 'type-graphql';
import { DateTimeScalar } from '../graphql/scalars';
import type { JobPriority, QueueOptions } from './queue-options';

/** The names of {@link JobPriority}. */
export const JobPriorityEnum: Readonly<Record<JobPriority, JobPriority>> = {
  LOW: 'LOW',
  NORMAL: 'NORMAL',
  HIGH: 'HIGH',
};

registerEnumType(JobPriorityEnum, {
  name: 'JobPriority',
  description: 'The order among your own waiting jobs. It does not affect other people’s jobs.',
  valuesConfig: {
    LOW: { description: 'After your other jobs.' },
    NORMAL: { description: 'The default.' },
    HIGH: { description: 'Before your other jobs.' },
  },
});

/** What the inputs that create jobs have in common. */
@InputType()
export abstract class StartInput {
  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'Cancel the job, free of charge, if it is still QUEUED at this moment, which must be in the future. A call to the avatar service that has begun is not cancelled. Null: no such limit.',
  })
  startBy?: Date | null;

  @Field(() => JobPriorityEnum, {
    defaultValue: JobPriorityEnum.NORMAL,
    description: 'The order among your own jobs of this kind that wait. A retry keeps it.',
  })
  priority: JobPriority;
}

/** The options of a job in the input of its creation. */
export function queueOptionsIn({ startBy = null, priority }: StartInput): QueueOptions {
  return { startBy, priority };
}
