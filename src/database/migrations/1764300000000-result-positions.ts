import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Pictures keep the upstream's id, and pictures without a usable URL are recorded too. Generations keep the number of
 * entries in the upstream's answer.
 *
 * The constraint is validated by `1764700000002-online`.
 */
export class ResultPositions1764300000000 implements MigrationInterface {
  readonly name = 'ResultPositions1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "generations" ADD COLUMN "result_count" smallint');
    await runner.query(`ALTER TABLE "avatars"
  ADD COLUMN "result_ref" text,
  DROP CONSTRAINT "avatars_unfinished_is_due",
  ADD CONSTRAINT "avatars_unfinished_is_due" CHECK (status NOT IN ('PENDING', 'DELAYED') OR due_at IS NOT NULL) NOT VALID`);
  }

  /** Pictures without a URL are lost: the previous version cannot record them. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`UPDATE "avatars" SET status = 'LOST', due_at = NULL, lease = NULL, failure_code = 'RESULT_EXPIRED'
  WHERE status IN ('PENDING', 'DELAYED') AND source_url IS NULL`);
    await runner.query(`ALTER TABLE "avatars"
  DROP COLUMN "result_ref",
  DROP CONSTRAINT "avatars_unfinished_is_due",
  ADD CONSTRAINT "avatars_unfinished_is_due" CHECK (status NOT IN ('PENDING', 'DELAYED') OR (due_at IS NOT NULL AND source_url IS NOT NULL))`);
    await runner.query('ALTER TABLE "generations" DROP COLUMN "result_count"');
  }
}
