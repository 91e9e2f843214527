import type { MigrationInterface, QueryRunner } from 'typeorm';
import { replaceIndexes, type IndexDefinitions } from '../online-changes';

const isDue = "due_at IS NOT NULL AND status = 'ENABLED'";

const indexesOf = (due: string, failing: string): IndexDefinitions => ({
  webhooks_due: `"webhooks" ("due_at") WHERE ${isDue} AND ${due}`,
  webhooks_due_of_owner: `"webhooks" ("owner", "due_at") WHERE ${isDue} AND ${due}`,
  webhooks_failing_due: `"webhooks" ("due_at") WHERE ${isDue} AND ${failing}`,
  webhooks_failing_due_of_owner: `"webhooks" ("owner", "due_at") WHERE ${isDue} AND ${failing}`,
});

/** Slow endpoints are sent to apart from the others, like those that fail. */
export class SlowWebhooks1799200000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'SlowWebhooks1799200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE "webhooks" ADD COLUMN IF NOT EXISTS "is_slow" boolean NOT NULL DEFAULT false',
    );
    const indexes = indexesOf('tries = 0 AND NOT is_slow', '(tries > 0 OR is_slow)');
    await replaceIndexes(runner, indexes, (definition) => definition.includes('is_slow'));
  }

  async down(runner: QueryRunner): Promise<void> {
    // The indexes depend on the column, and are dropped with it.
    await runner.query('ALTER TABLE "webhooks" DROP COLUMN IF EXISTS "is_slow"');
    for (const [name, definition] of Object.entries(indexesOf('tries = 0', 'tries > 0')))
      await runner.query(`CREATE INDEX IF NOT EXISTS "${name}" ON ${definition}`);
  }
}
