import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, type IndexDefinitions } from '../online-changes';

const tables = ['models', 'generations'] as const;

/** The places of waiting jobs in the queue of their owner, and the moments until which they may wait. */
export class Queue1764820000003 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Queue1764820000003';

  async up(runner: QueryRunner): Promise<void> {
    for (const table of tables)
      await runner.query(`ALTER TABLE "${table}"
        ADD COLUMN IF NOT EXISTS "queued_at" timestamptz NOT NULL DEFAULT now(),
        ADD COLUMN IF NOT EXISTS "start_by" timestamptz`);
    for (const table of tables) await createIndexes(runner, indexesOf(table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of tables)
      await runner.query(`ALTER TABLE "${table}" DROP COLUMN "queued_at", DROP COLUMN "start_by"`);
  }
}

function indexesOf(table: string): IndexDefinitions {
  return {
    [`${table}_queued_start_by`]: `"${table}" ("start_by") WHERE due_at IS NOT NULL AND status = 'QUEUED' AND start_by IS NOT NULL`,
    [`${table}_queue_of_owner`]: `"${table}" ("owner", "queued_at", "id") WHERE status IN ('QUEUED', 'SUBMITTING')`,
  };
}
