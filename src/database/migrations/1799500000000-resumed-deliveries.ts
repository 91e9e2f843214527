import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A delivery that enabling its webhook made pending again was not replayed by its owner. */
export class ResumedDeliveries1799500000000 implements MigrationInterface {
  readonly name = 'ResumedDeliveries1799500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "webhook_deliveries" ADD "resumed_at" timestamptz');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "webhook_deliveries" DROP COLUMN "resumed_at"');
  }
}
