import { ArgsType, Field, ID, InputType, Int } from 'type-graphql';
import { readInputId } from '../core/ids';
import { OneOf } from '../graphql/build-schema';
import { selectedIdsDescription } from '../graphql/bulk.type';
import { PageArgs } from '../graphql/connection';
import { DateTimeRangeInput } from '../graphql/lists';
import { UrlScalar } from '../graphql/scalars';
import type { WebhookChange } from './webhook.repository';
import type { DeliverySelection, WebhookInput } from './webhook.service';
import type { WebhookDeliveryStatus, WebhookEventType, WebhookStatus } from './webhook.state';
import { WebhookDeliveryStatusEnum, WebhookEventTypeEnum, WebhookStatusEnum } from './webhook.type';

@ArgsType()
export class WebhookDeliveriesArgs extends PageArgs {
  @Field(() => [WebhookDeliveryStatusEnum], {
    nullable: true,
    description: 'With one of these statuses. Null: any. At most 100.',
  })
  statuses?: WebhookDeliveryStatus[] | null;
}

@InputType()
export class CreateWebhookInput {
  @Field(() => UrlScalar, {
    description:
      'Where events are sent. It must be public and https, except for addresses that the operator allows.',
  })
  url: string;

  @Field(() => [WebhookEventTypeEnum], {
    nullable: true,
    description: 'Which events to send: 1 to 100. Null: all that this version has.',
  })
  eventTypes?: WebhookEventType[] | null;

  @Field(() => String, { nullable: true, description: 'Your own note, at most 500 characters. Null: none.' })
  description?: string | null;
}

/** The input as the service takes it. */
export function webhookInputOf({ url, eventTypes, description }: CreateWebhookInput): WebhookInput {
  return { url, eventTypes: eventTypes ?? null, description: description ?? null };
}

@InputType()
export class UpdateWebhookInput {
  @Field(() => ID, { description: 'The global id of the webhook.' })
  id: string;

  @Field(() => UrlScalar, {
    nullable: true,
    description: 'Where events are sent, as in `createWebhook`. Null: as it is.',
  })
  url?: string | null;

  @Field(() => [WebhookEventTypeEnum], {
    nullable: true,
    description: 'Which events to send: 1 to 100. Null: as they are.',
  })
  eventTypes?: WebhookEventType[] | null;

  @Field(() => String, {
    nullable: true,
    description: 'Your own note, at most 500 characters. Null removes it; if it is left out, it stays.',
  })
  description?: string | null;

  @Field(() => WebhookStatusEnum, {
    nullable: true,
    description: 'ENABLED or PAUSED. Null: as it is.',
  })
  status?: WebhookStatus | null;
}

/** The changes as the service takes them. */
export function webhookChangeOf({ url, eventTypes, description, status }: UpdateWebhookInput): WebhookChange {
  return {
    url: url ?? undefined,
    eventTypes: eventTypes ?? undefined,
    status: status ?? undefined,
    description,
  };
}

@InputType()
export class DeleteWebhookInput {
  @Field(() => ID, { description: 'The global id of the webhook.' })
  id: string;
}

@InputType()
export class RotateWebhookSecretInput {
  @Field(() => ID, { description: 'The global id of the webhook.' })
  id: string;

  @Field(() => Int, {
    description: 'How long deliveries are signed with the old secret too, in seconds: 0 to 604,800.',
  })
  overlapSeconds = 86_400;
}

@InputType()
export class TestWebhookInput {
  @Field(() => ID, { description: 'The global id of the webhook.' })
  id: string;
}

@OneOf()
@InputType({ description: 'Which deliveries: by id, or by the time of their creation.' })
export class WebhookDeliverySelectionInput {
  @Field(() => [ID], { nullable: true, description: selectedIdsDescription })
  ids?: string[] | null;

  @Field(() => DateTimeRangeInput, {
    nullable: true,
    description:
      'By `createdAt`, except those that were replayed in the last hour, or in the last 10 minutes if they are FAILED again.',
  })
  created?: DateTimeRangeInput | null;
}

@InputType()
export class ReplayWebhookDeliveriesInput {
  @Field(() => ID, { description: 'The global id of the webhook.' })
  webhookId: string;

  @Field(() => WebhookDeliverySelectionInput, { description: 'Which deliveries.' })
  select: WebhookDeliverySelectionInput;
}

/** The selection with ids decoded. */
export function deliverySelectionOf({ ids, created }: WebhookDeliverySelectionInput): DeliverySelection {
  const read = ids?.map((id, index) => readInputId('WebhookDelivery', id, `input.select.ids[${index}]`));
  return { ids: read ?? null, created: created ?? null };
}
