import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Finds paid calls that were never answered. */
export class UnansweredCalls1764100010000 implements MigrationInterface {
  readonly name = 'UnansweredCalls1764100010000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "submissions_unanswered" ON "submissions" ("called_at") WHERE outcome = 'CALLING'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX "submissions_unanswered"');
  }
}
