import { columns, type NodeSource } from '../reads/source';
import { selectDelivery } from './webhook-delivery.repository';
import { selectWebhook } from './webhook.repository';

/** What webhooks are read from. Lists of deliveries, and of types of events, are left to the resolvers. */
export const webhookSource: NodeSource = {
  type: 'Webhook',
  select: selectWebhook,
  fields: { id: { kind: 'id' }, ...columns('url', 'description', 'status', 'disabledReason', 'createdAt') },
};

/** What deliveries are read from. Attempts are left to the resolvers. */
export const webhookDeliverySource: NodeSource = {
  type: 'WebhookDelivery',
  select: selectDelivery,
  fields: {
    id: { kind: 'id' },
    ...columns('eventType', 'subjectId', 'status', 'createdAt', 'nextAttemptAt'),
  },
};
