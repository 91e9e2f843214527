import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import { fromGlobalId, readInputId, toGlobalId } from '../core/ids';
import { PageArgs, type Connection } from '../graphql/connection';
import type { GraphQLContext } from '../graphql/context';
import { connectionOf } from '../graphql/lists';
import type { WebhookDeliveryEntity, WebhookEntity } from './webhook.entity';
import {
  CreateWebhookInput,
  DeleteWebhookInput,
  deliverySelectionOf,
  ReplayWebhookDeliveriesInput,
  RotateWebhookSecretInput,
  TestWebhookInput,
  UpdateWebhookInput,
  webhookChangeOf,
  WebhookDeliveriesArgs,
  webhookInputOf,
} from './webhook.input';
import type { WebhookService } from './webhook.service';
import {
  CreateWebhookPayload,
  DeleteWebhookPayload,
  ReplayWebhookDeliveriesPayload,
  RotateWebhookSecretPayload,
  TestWebhookPayload,
  UpdateWebhookPayload,
  Webhook,
  WebhookConnection,
  WebhookDelivery,
  WebhookDeliveryConnection,
} from './webhook.type';

/** Queries and mutations of webhooks. */
@Resolver(() => Webhook)
export class WebhookResolver {
  constructor(private readonly service: WebhookService) {}

  @Query(() => WebhookConnection, {
    nullable: true,
    description: 'Your webhooks, newest first. Null only with an error.',
  })
  webhooks(
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<WebhookEntity>> {
    return connectionOf(this.service.list, { page, orderBy: 'NEWEST', filter: {}, parent: null }, context);
  }

  @Mutation(() => CreateWebhookPayload, {
    nullable: true,
    description:
      'Adds a webhook, for the events from now on. The answer has its secret, which is never shown again. It ends with the API key that creates it. Errors: INVALID_INPUT, QUOTA_EXCEEDED; FORBIDDEN without the scope READ.',
  })
  createWebhook(
    @Arg('input', () => CreateWebhookInput, { description: 'The webhook.' }) input: CreateWebhookInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<CreateWebhookPayload> {
    return this.service.create(viewer, webhookInputOf(input));
  }

  @Mutation(() => UpdateWebhookPayload, {
    nullable: true,
    description:
      'Changes a webhook. What is left out stays as it is. Enabling a paused or disabled one sends the events since, as far as they are still kept. An API key that enables it or changes its URL is the one it ends with from then on. Errors: INVALID_INPUT, NOT_FOUND; FORBIDDEN without the scope READ for these changes.',
  })
  async updateWebhook(
    @Arg('input', () => UpdateWebhookInput, { description: 'The changes.' }) input: UpdateWebhookInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<UpdateWebhookPayload> {
    const target = readInputId('Webhook', input.id);
    return { webhook: await this.service.update(viewer, target, webhookChangeOf(input)) };
  }

  @Mutation(() => DeleteWebhookPayload, {
    nullable: true,
    description:
      'Deletes a webhook and its deliveries. One that is being sent still arrives. Repeating it succeeds, and so does an unknown id. Errors: NOT_FOUND if the id has the form or the type of something else than a webhook.',
  })
  async deleteWebhook(
    @Arg('input', () => DeleteWebhookInput, { description: 'The webhook.' }) { id }: DeleteWebhookInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<DeleteWebhookPayload> {
    await this.service.delete(viewer, fromGlobalId('Webhook', id, 'input.id'));
    return { deletedId: id };
  }

  @Mutation(() => RotateWebhookSecretPayload, {
    nullable: true,
    description:
      'Makes a new secret. For a while deliveries are signed with both; of several old secrets, with the latest. Errors: INVALID_INPUT, NOT_FOUND.',
  })
  async rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput, { description: 'The webhook.' })
    { id, overlapSeconds }: RotateWebhookSecretInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<RotateWebhookSecretPayload> {
    const { webhook, secret } = await this.service.rotateSecret(
      viewer,
      readInputId('Webhook', id),
      overlapSeconds,
    );
    return { webhook, secret, oldSecretExpiresAt: webhook.oldSecretExpiresAt! };
  }

  @Mutation(() => TestWebhookPayload, {
    nullable: true,
    description:
      'Sends an event of the type “ping” now, also to a webhook that is not ENABLED, and returns what the endpoint answered within 5 seconds. It is not in the log. Errors: NOT_FOUND, RATE_LIMITED.',
  })
  async testWebhook(
    @Arg('input', () => TestWebhookInput, { description: 'The webhook.' }) { id }: TestWebhookInput,
    @Ctx() { viewer, withoutTurn }: GraphQLContext,
  ): Promise<TestWebhookPayload> {
    return { attempt: await this.service.test(viewer, readInputId('Webhook', id), withoutTurn) };
  }

  @Mutation(() => ReplayWebhookDeliveriesPayload, {
    nullable: true,
    description:
      'Sends deliveries again that were DELIVERED or FAILED with the same ids: first those that were never replayed, the oldest first; PENDING ones are sent anyway. Errors: INVALID_INPUT, NOT_FOUND, QUOTA_EXCEEDED.',
  })
  async replayWebhookDeliveries(
    @Arg('input', () => ReplayWebhookDeliveriesInput, { description: 'Which deliveries.' })
    { webhookId, select }: ReplayWebhookDeliveriesInput,
    @Ctx() { viewer }: GraphQLContext,
  ): Promise<ReplayWebhookDeliveriesPayload> {
    const target = readInputId('Webhook', webhookId, 'input.webhookId');
    const result = await this.service.replay(viewer, target, deliverySelectionOf(select));
    return { result: { ...result, failures: [...result.failures] } };
  }

  @FieldResolver(() => ID)
  id(@Root() webhook: WebhookEntity): string {
    return toGlobalId('Webhook', webhook.id);
  }

  @FieldResolver(() => WebhookDeliveryConnection, {
    description:
      'The log, newest first. Deliveries that are not PENDING are kept for 7 days, unless the server says otherwise.',
  })
  deliveries(
    @Root() { id }: WebhookEntity,
    @Args(() => WebhookDeliveriesArgs) { statuses, ...page }: WebhookDeliveriesArgs,
    @Ctx() context: GraphQLContext,
  ): Promise<Connection<WebhookDeliveryEntity>> {
    const parent = { column: 'webhook_id', id } as const;
    return connectionOf(
      this.service.deliveries,
      { page, orderBy: 'NEWEST', filter: { statuses }, parent },
      context,
    );
  }
}

/** Fields of deliveries. */
@Resolver(() => WebhookDelivery)
export class WebhookDeliveryResolver {
  @FieldResolver(() => ID)
  id(@Root() delivery: WebhookDeliveryEntity): string {
    return toGlobalId('WebhookDelivery', delivery.id);
  }
}
