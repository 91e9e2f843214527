import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The id that the store of pictures must have. It is written there by the next process that starts. */
export class StoreId1799600000000 implements MigrationInterface {
  readonly name = 'StoreId1799600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "installation" ADD "store_id" uuid, ADD "store_marked_at" timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "installation" DROP COLUMN "store_id", DROP COLUMN "store_marked_at"');
  }
}
