import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Pauses of the operator, which accounts that are used later begin with. */
export class SubmissionPauses1767100000000 implements MigrationInterface {
  readonly name = 'SubmissionPauses1767100000000';

  async up(runner: QueryRunner): Promise<void> {
    // A restore of an earlier backup has created it, with the pause of all accounts.
    await runner.query(`CREATE TABLE IF NOT EXISTS "submission_pauses" (
  "provider" text NOT NULL,
  "paused_at" timestamptz,
  CONSTRAINT "submission_pauses_pkey" PRIMARY KEY ("provider"))`);
    // As before this migration: an operator's pause of all known accounts.
    await runner.query(`INSERT INTO submission_pauses (provider, paused_at)
SELECT provider, min(submit_paused_at) FROM upstream_accounts WHERE NOT EXISTS (SELECT FROM submission_pauses)
 GROUP BY provider HAVING bool_and(coalesce(submit_pause_reason = 'OPERATOR', false))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "submission_pauses"`);
  }
}
