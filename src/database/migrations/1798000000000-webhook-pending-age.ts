import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

/** The oldest pending delivery of a webhook, for the metric. */
export class WebhookPendingAge1798000000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'WebhookPendingAge1798000000000';

  async up(runner: QueryRunner): Promise<void> {
    await createIndexes(runner, {
      webhook_deliveries_pending_age: `"webhook_deliveries" ("webhook_id", "created_at") WHERE status = 'PENDING'`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX IF EXISTS "webhook_deliveries_pending_age"');
  }
}
