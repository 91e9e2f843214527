import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import { BulkPayload } from '../graphql/bulk.type';
import { createConnectionType } from '../graphql/connection';
import { DeletionPayload, Node } from '../graphql/node';
import { DateTimeScalar, UrlScalar } from '../graphql/scalars';
import {
  webhookDeliveryStatuses,
  webhookEventTypes,
  webhookStatuses,
  wireName,
  type WebhookDeliveryStatus,
  type WebhookEventType,
  type WebhookStatus,
} from './webhook.state';

function enumOf<Value extends string>(values: readonly Value[]): { [Name in Value]: Name } {
  return Object.fromEntries(values.map((value) => [value, value])) as { [Name in Value]: Name };
}

/** {@link WebhookStatus} as a GraphQL enum. */
export const WebhookStatusEnum = enumOf(webhookStatuses);

registerEnumType(WebhookStatusEnum, {
  name: 'WebhookStatus',
  description: 'Whether a webhook receives events.',
  valuesConfig: {
    ENABLED: { description: 'Events are sent.' },
    PAUSED: {
      description:
        'You paused it: events are kept for 24 hours or longer, as the operator has set, and sent when you enable it.',
    },
    DISABLED: {
      description:
        'It failed for 24 hours, or its API key was revoked or has expired. Enable it with `updateWebhook`: what has failed since its last success is sent, then the events since, which are kept for 24 hours or longer.',
    },
  },
});

/** {@link WebhookEventType} as a GraphQL enum. */
export const WebhookEventTypeEnum = enumOf(webhookEventTypes);

const eventDescriptions: Record<WebhookEventType, string> = {
  MODEL_READY: 'A model can be used.',
  MODEL_FAILED: 'A training failed.',
  MODEL_UNCERTAIN: 'It is unknown whether the avatar service accepted a training.',
  MODEL_CANCELLED: 'A training was cancelled.',
  MODEL_DELETED: 'A model was deleted, with everything made from it, for which no other events are sent.',
  GENERATION_COMPLETED: 'All avatars of a generation are stored.',
  GENERATION_PARTIAL: 'A generation ended with a part of its avatars.',
  GENERATION_FAILED: 'A generation failed.',
  GENERATION_UNCERTAIN: 'It is unknown whether the avatar service accepted a generation.',
  GENERATION_CANCELLED: 'A generation was cancelled.',
  GENERATION_DELETED: 'A generation was deleted, with its avatars, for which no other events are sent.',
  AVATAR_CREATED: 'An avatar was stored and can be opened.',
  AVATAR_DELETED: 'An avatar was deleted.',
};

registerEnumType(WebhookEventTypeEnum, {
  name: 'WebhookEventType',
  description:
    'What happened. The name on the wire is lower case with a dot: “model.ready”. More values will be added.',
  valuesConfig: Object.fromEntries(
    webhookEventTypes.map((type) => [
      type,
      { description: `${eventDescriptions[type]} On the wire: “${wireName(type)}”.` },
    ]),
  ),
});

/** {@link WebhookDeliveryStatus} as a GraphQL enum. */
export const WebhookDeliveryStatusEnum = enumOf(webhookDeliveryStatuses);

registerEnumType(WebhookDeliveryStatusEnum, {
  name: 'WebhookDeliveryStatus',
  description: 'Whether an event has arrived.',
  valuesConfig: {
    PENDING: { description: 'It will be sent, possibly again.' },
    DELIVERED: { description: 'The endpoint answered with a status of 200 to 299.' },
    FAILED: {
      description:
        'It did not arrive within 24 hours, or the webhook is DISABLED. Enabling the webhook sends it, unless another delivery has arrived since; `replayWebhookDeliveries` sends it in any case.',
    },
  },
});

@ObjectType({ description: 'One try to deliver an event.' })
export class WebhookAttempt {
  @Field(() => DateTimeScalar, { description: 'When it began.' })
  startedAt: string | Date;

  @Field(() => Int, { description: 'How long it took, in milliseconds.' })
  durationMs: number;

  @Field(() => Int, { nullable: true, description: 'The status of the answer. Null if no answer came.' })
  httpStatus: number | null;

  @Field(() => String, {
    description: 'The first 1,000 characters of the answer, or what went wrong.',
  })
  excerpt: string;
}

@ObjectType({ implements: Node, description: 'An event that is sent to a webhook.' })
export class WebhookDelivery implements Node {
  @Field(() => ID, {
    description:
      'The global id. Also the header `webhook-id`: the same for every attempt. Use it to drop duplicates.',
  })
  id: string;

  @Field(() => WebhookEventTypeEnum, { description: 'What happened.' })
  eventType: WebhookEventType;

  @Field(() => ID, { description: 'The global id of the model, generation or avatar.' })
  subjectId: string;

  @Field(() => WebhookDeliveryStatusEnum, { description: 'Whether it has arrived.' })
  status: WebhookDeliveryStatus;

  @Field(() => DateTimeScalar, { description: 'When it was created, soon after the event.' })
  createdAt: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description:
      'The earliest time of the next attempt; it also waits for earlier events of the same model. Null if there will be none.',
  })
  nextAttemptAt: Date | null;

  @Field(() => [WebhookAttempt], { description: 'The latest 20, newest first.' })
  attempts: WebhookAttempt[];
}

/** A page of deliveries. */
export const WebhookDeliveryConnection = createConnectionType(
  'WebhookDelivery',
  () => WebhookDelivery,
  'list of deliveries',
);

@ObjectType({
  implements: Node,
  description:
    'An endpoint of yours that receives your events. Deliveries contain ids and states, never pictures, prompts or names, and are signed as standardwebhooks.com describes.',
})
export class Webhook implements Node {
  @Field(() => ID, { description: 'The global id, for `node(id)` and for mutations.' })
  id: string;

  @Field(() => UrlScalar, { description: 'Where events are sent.' })
  url: string;

  @Field(() => String, { nullable: true, description: 'Your own note; null if you gave none.' })
  description: string | null;

  @Field(() => [WebhookEventTypeEnum], { description: 'Which events are sent.' })
  eventTypes: WebhookEventType[];

  @Field(() => WebhookStatusEnum, { description: 'Whether it receives events.' })
  status: WebhookStatus;

  @Field(() => String, { nullable: true, description: 'Why it is DISABLED, for people; null otherwise.' })
  disabledReason: string | null;

  @Field(() => DateTimeScalar, { description: 'When it was created.' })
  createdAt: Date;
}

/** A page of webhooks. */
export const WebhookConnection = createConnectionType('Webhook', () => Webhook);

@ObjectType()
export class CreateWebhookPayload {
  @Field(() => Webhook, { description: 'The new webhook.' })
  webhook: Webhook;

  @Field(() => String, {
    description: 'The secret that verifies deliveries. It starts with “whsec_”, and is never shown again.',
  })
  secret: string;
}

@ObjectType()
export class UpdateWebhookPayload {
  @Field(() => Webhook, { description: 'The changed webhook.' })
  webhook: Webhook;
}

@ObjectType()
export class DeleteWebhookPayload extends DeletionPayload {}

@ObjectType()
export class RotateWebhookSecretPayload {
  @Field(() => Webhook, { description: 'The webhook.' })
  webhook: Webhook;

  @Field(() => String, { description: 'The new secret. It starts with “whsec_”, and is never shown again.' })
  secret: string;

  @Field(() => DateTimeScalar, { description: 'Until then, deliveries are signed with the old secret too.' })
  oldSecretExpiresAt: Date;
}

@ObjectType()
export class TestWebhookPayload {
  @Field(() => WebhookAttempt, { description: 'What the endpoint answered.' })
  attempt: WebhookAttempt;
}

@ObjectType()
export class ReplayWebhookDeliveriesPayload extends BulkPayload {}
