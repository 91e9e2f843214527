import { toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { NoticeEntity } from '../notices/notice.entity';
import { insertNotice } from '../notices/notice.repository';
import { disableWebhook } from './webhook-delivery.repository';
import type { WebhookEntity } from './webhook.entity';

/** Disables a locked webhook; returns the notice to its owner. Wake its stream AFTER the commit. */
export async function disableWithNotice(
  sql: Sql,
  { id, owner, url }: Pick<WebhookEntity, 'id' | 'owner' | 'url'>,
  { reason, remedy }: { reason: string; remedy: string },
): Promise<NoticeEntity> {
  await disableWebhook(sql, id, reason);
  return insertNotice(sql, {
    ...{ owner, kind: 'WEBHOOK_DISABLED', subject: toGlobalId('Webhook', id) },
    message: `The webhook to ${new URL(url).host} was disabled. ${reason} ${remedy}: the deliveries that were pending are sent, then later events.`,
  });
}
