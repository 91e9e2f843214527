import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, replaceIndexes, validateConstraints } from '../online-changes';

const tables = ['models', 'generations'] as const;

/** The order among an owner's waiting jobs. */
export class Priorities1764850000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Priorities1764850000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables) {
      const check = `${table}_queue_rank_known`;
      await runner.query(`ALTER TABLE "${table}"
        ADD COLUMN IF NOT EXISTS "queue_rank" smallint NOT NULL DEFAULT 1,
        DROP CONSTRAINT IF EXISTS "${check}",
        ADD CONSTRAINT "${check}" CHECK (queue_rank BETWEEN 0 AND 2) NOT VALID`);
      await validateConstraints(runner, table, [check]);
      await createIndexes(runner, {
        [`${table}_queued_in_turn`]: `"${table}" ("owner", "queue_rank", "queued_at", "due_at") WHERE due_at IS NOT NULL AND status = 'QUEUED'`,
      });
      await replaceIndexes(
        runner,
        {
          [`${table}_queue_of_owner`]: `"${table}" ("owner", "queue_rank", "queued_at", "id") WHERE status IN ('QUEUED', 'SUBMITTING')`,
        },
        (definition) => definition.includes('queue_rank'),
      );
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables) {
      await runner.query(`DROP INDEX IF EXISTS "${table}_queue_of_owner"`);
      await runner.query(`ALTER TABLE "${table}" DROP COLUMN IF EXISTS "queue_rank"`);
      await runner.query(
        `CREATE INDEX "${table}_queue_of_owner" ON "${table}" ("owner", "queued_at", "id") WHERE status IN ('QUEUED', 'SUBMITTING')`,
      );
    }
  }
}
