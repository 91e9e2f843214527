import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

/** The API key that a webhook belongs to; the last success of a webhook, and when a delivery was given up. */
export class WebhookKeys1798100000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'WebhookKeys1798100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE "webhooks" ADD COLUMN IF NOT EXISTS "key_id" text, ADD COLUMN IF NOT EXISTS "succeeded_at" timestamptz',
    );
    await runner.query('ALTER TABLE "webhook_deliveries" ADD COLUMN IF NOT EXISTS "failed_at" timestamptz');
    await createIndexes(runner, {
      webhooks_of_key: `"webhooks" ("key_id") WHERE status = 'ENABLED' AND key_id IS NOT NULL`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "webhook_deliveries" DROP COLUMN IF EXISTS "failed_at"');
    await runner.query(
      'ALTER TABLE "webhooks" DROP COLUMN IF EXISTS "key_id", DROP COLUMN IF EXISTS "succeeded_at"',
    );
  }
}
