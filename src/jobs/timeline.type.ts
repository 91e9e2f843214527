import { Field, Int, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { DateTimeScalar } from '../graphql/scalars';
import type { TimelineKind } from './timeline-entry.entity';
import type { EntryCall } from './timeline-text';

const TimelineKindEnum = {
  REQUESTED: 'REQUESTED',
  SUBMITTED: 'SUBMITTED',
  POLLED: 'POLLED',
  STATUS_CHANGED: 'STATUS_CHANGED',
  AVATAR_STORED: 'AVATAR_STORED',
  DOWNLOAD_FAILED: 'DOWNLOAD_FAILED',
  ACTED_ON: 'ACTED_ON',
} as const satisfies { [Kind in TimelineKind]: Kind };

registerEnumType(TimelineKindEnum, {
  name: 'TimelineKind',
  description: 'What happened to a job. More values will be added.',
  valuesConfig: {
    REQUESTED: { description: 'The job was requested.' },
    SUBMITTED: { description: 'The avatar service was asked to do the job.' },
    POLLED: {
      description:
        'The avatar service was asked how the job stands. Equal answers that follow are part of this entry, since they say nothing new and a training is polled many times: `message` has their number, and `call` is the first one. Their ids are in the log of the server, at the level debug.',
    },
    STATUS_CHANGED: { description: 'The job moved to another status.' },
    AVATAR_STORED: { description: 'A picture was stored. `call` is its download.' },
    DOWNLOAD_FAILED: {
      description:
        'A picture could not be downloaded, or its bytes could not be used. Equal failures that follow are part of this entry, and `call` is the first one; each lost picture has an entry of its own.',
    },
    ACTED_ON: { description: 'A person cancelled or retried the job.' },
  },
});

@ObjectType({ description: 'A call to the avatar service.' })
export class UpstreamCall implements EntryCall {
  @Field(() => Int, { nullable: true, description: 'The HTTP status; null if no answer came.' })
  httpStatus: number | null;

  @Field(() => Int, {
    description:
      'How long the call took, in milliseconds. If no answer came: how long the gateway waited for one.',
  })
  durationMs: number;

  @Field(() => String, {
    nullable: true,
    description: 'The ID to quote to the provider’s support. Null unless you have the scope ADMIN.',
  })
  correlationId: string | null;
}

@ObjectType({ description: 'Something that happened to a job.' })
export class TimelineEntry {
  @Field(() => DateTimeScalar, { description: 'When it happened; for a call, when it was recorded.' })
  occurredAt: Date;

  @Field(() => TimelineKindEnum, { description: 'What happened.' })
  kind: TimelineKind;

  @Field(() => String, { description: 'The same as a sentence for people. It may change.' })
  message?: string;

  @Field(() => Int, { description: 'The attempt it belongs to; 0 before the first.' })
  attempt: number;

  @Field(() => UpstreamCall, {
    nullable: true,
    description:
      'The call to the avatar service; null for a decision of the gateway, and while a call has no answer.',
  })
  call?: UpstreamCall | null;
}

/** A page of a timeline. */
export const TimelineEntryConnection = createConnectionType('TimelineEntry', () => TimelineEntry, 'timeline');
