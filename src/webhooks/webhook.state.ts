/**
 * Whether a webhook receives events.
 *
 * - ENABLED: its deliveries are sent. Next: by its owner, or DISABLED when it has failed for 24 hours or its API key has ended.
 * - PAUSED: no event is read. Next: by its owner; then the events since are read.
 * - DISABLED: it failed for 24 hours, or its API key has ended. Next: by its owner, as from PAUSED.
 */
export const webhookStatuses = ['ENABLED', 'PAUSED', 'DISABLED'] as const;

/** One of {@link webhookStatuses}. */
export type WebhookStatus = (typeof webhookStatuses)[number];

/**
 * Whether an event has arrived.
 *
 * - PENDING: it will be attempted. Next: DELIVERED by an answer 2xx; FAILED after 24 hours of failed attempts, or when the
 *   webhook is disabled.
 * - DELIVERED: final, unless it is replayed: PENDING.
 * - FAILED: final, unless it is replayed, or its webhook is enabled before another delivery has arrived: PENDING.
 */
export const webhookDeliveryStatuses = ['PENDING', 'DELIVERED', 'FAILED'] as const;

/** One of {@link webhookDeliveryStatuses}. */
export type WebhookDeliveryStatus = (typeof webhookDeliveryStatuses)[number];

/** The events that are sent. */
export const webhookEventTypes = [
  ...(['MODEL_READY', 'MODEL_FAILED', 'MODEL_UNCERTAIN', 'MODEL_CANCELLED', 'MODEL_DELETED'] as const),
  ...(['GENERATION_COMPLETED', 'GENERATION_PARTIAL', 'GENERATION_FAILED', 'GENERATION_UNCERTAIN'] as const),
  ...(['GENERATION_CANCELLED', 'GENERATION_DELETED', 'AVATAR_CREATED', 'AVATAR_DELETED'] as const),
] as const;

/** One of {@link webhookEventTypes}. */
export type WebhookEventType = (typeof webhookEventTypes)[number];

/** The name on the wire: `model.ready`. */
export function wireName(type: WebhookEventType): string {
  return type.toLowerCase().replace('_', '.');
}
