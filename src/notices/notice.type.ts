import { Field, ID, ObjectType, registerEnumType } from 'type-graphql';
import { createConnectionType } from '../graphql/connection';
import { Node } from '../graphql/node';
import { DateTimeScalar } from '../graphql/scalars';
import type { NoticeKind } from './notice.entity';

/** {@link NoticeKind} as a GraphQL enum. */
const NoticeKindEnum = {
  WEBHOOK_DISABLED: 'WEBHOOK_DISABLED',
  SPENDING_LIMIT_NEAR: 'SPENDING_LIMIT_NEAR',
} as const satisfies { [Kind in NoticeKind]: Kind };

registerEnumType(NoticeKindEnum, {
  name: 'NoticeKind',
  description: 'What a notice is about. More values will be added.',
  valuesConfig: {
    WEBHOOK_DISABLED: {
      description:
        'A webhook is disabled: it failed for 24 hours, or its API key was revoked or has expired.',
    },
    SPENDING_LIMIT_NEAR: { description: 'A spending limit is almost reached.' },
  },
});

@ObjectType({ implements: Node, description: 'A message from the server. It is kept for 90 days.' })
export class Notice implements Node {
  @Field(() => ID, { description: 'The global id, for `node(id)`.' })
  id: string;

  @Field(() => NoticeKindEnum, { description: 'What it is about.' })
  kind: NoticeKind;

  @Field(() => String, { description: 'For people: what happened and what to do.' })
  message: string;

  @Field(() => DateTimeScalar, { description: 'When it was sent.' })
  createdAt: Date;

  @Field(() => Node, {
    nullable: true,
    description: 'The object that it is about; null if it has no subject, or the subject was deleted since.',
  })
  subject?: Node | null;
}

/** A page of notices. */
export const NoticeConnection = createConnectionType('Notice', () => Notice);
