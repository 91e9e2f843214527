import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';
import { LeasedEntity } from '../core/leased.entity';
import type { WebhookDeliveryStatus, WebhookEventType, WebhookStatus } from './webhook.state';

/** SQL: the webhook has deliveries, and its last attempt neither failed nor was slow. */
export const dueWebhooks = "due_at IS NOT NULL AND status = 'ENABLED' AND tries = 0 AND NOT is_slow";
/** SQL: the webhook has deliveries, and its last attempt failed or was slow. */
export const failingWebhooks = "due_at IS NOT NULL AND status = 'ENABLED' AND (tries > 0 OR is_slow)";

/**
 * An endpoint of an owner. It is leased as a whole, so that one request at a time is sent to it: `dueAt` is when its next
 * delivery may be attempted, `tries` are the failed attempts since the last success.
 */
@Entity('webhooks')
@Check('webhooks_status_known', "status IN ('ENABLED', 'PAUSED', 'DISABLED')")
@Index('webhooks_due', ['dueAt'], { where: dueWebhooks })
@Index('webhooks_due_of_owner', ['owner', 'dueAt'], { where: dueWebhooks })
@Index('webhooks_failing_due', ['dueAt'], { where: failingWebhooks })
@Index('webhooks_failing_due_of_owner', ['owner', 'dueAt'], { where: failingWebhooks })
@Index('webhooks_to_follow', ['followAt'], { where: "status = 'ENABLED'" })
@Index('webhooks_of_owner', ['owner', 'id'])
@Index('webhooks_of_key', ['keyId'], { where: "status = 'ENABLED' AND key_id IS NOT NULL" })
export class WebhookEntity extends LeasedEntity {
  @Column('text')
  url: string;

  @Column('text', { nullable: true })
  description: string | null;

  @Column('text', { array: true })
  eventTypes: WebhookEventType[];

  @Column('text', { default: 'ENABLED' })
  status: WebhookStatus;

  /** Why it is DISABLED, for people. */
  @Column('text', { nullable: true })
  disabledReason: string | null;

  /** The API key that it belongs to, and with which it ends. Null: only to its owner. */
  @Column('text', { nullable: true })
  keyId: string | null;

  /** Encrypted, see `WebhookSecrets`. */
  @Column('text')
  secret: string;

  /** The secret before the last rotation, encrypted; deliveries are signed with it too until it expires. */
  @Column('text', { nullable: true })
  oldSecret: string | null;

  @Column('timestamptz', { nullable: true })
  oldSecretExpiresAt: Date | null;

  /** The stream of its owner that `position` is in. */
  @Column('uuid')
  ownerStreamId: string;

  /** The last event of the owner's stream for which deliveries were created. */
  @Column('bigint')
  position: string;

  /** Its events are not read before this time: it has too many pending deliveries. */
  @Column('timestamptz', { default: () => 'now()' })
  followAt: Date;

  /** The number of its last delivery. */
  @Column('bigint', { default: 0 })
  lastNumber: string;

  /** The first failed attempt since the last success, its URL, its secret, or when it was enabled; later, if attempts were far apart. */
  @Column('timestamptz', { nullable: true })
  failingSince: Date | null;

  /** When a delivery last arrived. */
  @Column('timestamptz', { nullable: true })
  succeededAt: Date | null;

  /** Whether the last attempt has kept its slot for longer than a moment; see `WebhookDeliveryWork`. */
  @Column('boolean', { default: false })
  isSlow: boolean;

  /** No delivery is attempted before this time: after several failed attempts in a row, later than the last one. */
  @Column('timestamptz', { nullable: true })
  restUntil: Date | null;
}

/** An attempt, as it is stored in a delivery. */
export interface WebhookAttemptRow {
  /** JSON of a date. */
  readonly startedAt: string;
  readonly durationMs: number;
  /** Null: no answer came. */
  readonly httpStatus: number | null;
  readonly excerpt: string;
}

/** An event that is sent to a webhook. */
@Entity('webhook_deliveries')
@Check('webhook_deliveries_status_known', "status IN ('PENDING', 'DELIVERED', 'FAILED')")
@Check('webhook_deliveries_pending_next', "(status = 'PENDING') = (next_attempt_at IS NOT NULL)")
@Index('webhook_deliveries_once', ['webhookId', 'number'], { unique: true })
@Index('webhook_deliveries_pending', ['webhookId', 'streamId', 'number'], { where: "status = 'PENDING'" })
@Index('webhook_deliveries_pending_age', ['webhookId', 'createdAt'], { where: "status = 'PENDING'" })
@Index('webhook_deliveries_of_webhook', ['webhookId', 'id'])
@Index('webhook_deliveries_by_status', ['webhookId', 'status', 'id'])
@Index('webhook_deliveries_of_owner', ['owner', 'id'])
@Index('webhook_deliveries_old', ['createdAt'], { where: "status <> 'PENDING'" })
export class WebhookDeliveryEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('uuid')
  webhookId: string;

  /** 1, 2, 3 … within the webhook, in the order of events. */
  @Column('bigint')
  number: string;

  /** The stream of the event: deliveries of one stream are sent in order. */
  @Column('uuid')
  streamId: string;

  @Column('text')
  eventType: WebhookEventType;

  /** The global id of the model, generation or avatar. */
  @Column('text')
  subjectId: string;

  /** What is sent. The same for every attempt. */
  @Column('text')
  body: string;

  @Column('text', { default: 'PENDING' })
  status: WebhookDeliveryStatus;

  /** Null unless PENDING. */
  @Column('timestamptz', { nullable: true })
  nextAttemptAt: Date | null;

  /** The failed attempts since it was created or replayed. */
  @Column('integer', { default: 0 })
  tries: number;

  /** The first of these attempts. Null of a FAILED delivery: it becomes pending when its webhook is enabled. */
  @Column('timestamptz', { nullable: true })
  failingSince: Date | null;

  /** When it was given up. It becomes pending when its webhook is enabled, unless another one has arrived since. */
  @Column('timestamptz', { nullable: true })
  failedAt: Date | null;

  /** The newest first, at most 20. */
  @Column('jsonb', { default: () => "'[]'" })
  attempts: WebhookAttemptRow[];

  /** When its owner last replayed it. */
  @Column('timestamptz', { nullable: true })
  replayedAt: Date | null;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
