import { toGlobalId } from '../core/ids';
import type { Logger } from '../core/logger';
import type { Transactions } from '../core/sql';
import { disableWithNotice } from './webhook-disabling';
import { findWebhooksOfEndedKeys, lockWebhookOfEndedKey } from './webhook-keys.repository';

const webhooksPerRun = 100;

export interface WebhookKeysWorkDeps {
  database: Transactions;
  logger: Logger;
  /** Called AFTER a notice to an owner was added, with the id of its stream. */
  onNotice: (streamId: string) => void;
}

/** Disables the webhooks of API keys that were revoked or have expired. Nothing is sent to them before, either. */
export class WebhookKeysWork {
  constructor(private readonly deps: WebhookKeysWorkDeps) {}

  /** Disables webhooks whose API keys have ended. Returns their number. */
  async processBatch(signal: AbortSignal): Promise<number> {
    const ids = await findWebhooksOfEndedKeys(this.deps.database, webhooksPerRun);
    let disabled = 0;
    for (const id of ids) if (!signal.aborted && (await this.disable(id))) disabled += 1;
    return disabled;
  }

  /**
   * Disables an enabled webhook if its API key has ended.
   * @returns whether it was disabled
   */
  async disable(id: string): Promise<boolean> {
    const { database, logger, onNotice } = this.deps;
    const notice = await database.transaction(async (sql) => {
      const webhook = await lockWebhookOfEndedKey(sql, id);
      if (!webhook) return null;
      return disableWithNotice(sql, webhook, {
        reason: `The API key ${webhook.keyId!} that the webhook belonged to was revoked or has expired.`,
        remedy: 'Enable the webhook with updateWebhook and another API key',
      });
    });
    if (!notice) return false;
    onNotice(notice.id);
    logger.warn(
      { webhookId: toGlobalId('Webhook', id) },
      'a webhook was disabled, because its API key has ended',
    );
    return true;
  }
}
