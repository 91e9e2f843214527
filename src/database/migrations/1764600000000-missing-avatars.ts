import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A retry may order the missing pictures of a PARTIAL generation only. So a generation has pictures of several attempts:
 * each records its own answer. A PARTIAL generation whose retry has failed has a failure, and is under the late watch.
 *
 * `1764700000002-online` validates the constraints, and fills the columns of earlier pictures.
 */
export class MissingAvatars1764600000000 implements MigrationInterface {
  readonly name = 'MissingAvatars1764600000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "avatars"
      ADD "provider_ref" text, ADD "answer_index" smallint, ADD "answer_count" smallint,
      DROP CONSTRAINT "avatars_failure_known",
      ADD CONSTRAINT "avatars_failure_known" CHECK (failure_code IS NULL OR failure_code IN ('RESULT_UNREACHABLE', 'RESULT_UNUSABLE', 'RESULT_EXPIRED', 'UPSTREAM_FAILED')) NOT VALID`);
    await runner.query(`ALTER TABLE "generations"
      ADD "ordered_positions" smallint array,
      DROP CONSTRAINT "generations_failed_says_why",
      ADD CONSTRAINT "generations_failed_says_why" CHECK ((status <> 'FAILED' OR failure_code IS NOT NULL) AND (failure_code IS NULL OR status IN ('PARTIAL', 'FAILED'))) NOT VALID,
      DROP CONSTRAINT "generations_running_has_ref",
      ADD CONSTRAINT "generations_running_has_ref" CHECK (status NOT IN ('GENERATING', 'STORING') OR provider_ref IS NOT NULL) NOT VALID,
      ADD CONSTRAINT "generations_ended_has_ref" CHECK (status NOT IN ('COMPLETED', 'PARTIAL') OR provider_ref IS NOT NULL OR ordered_positions IS NOT NULL) NOT VALID`);
    await runner.query(`ALTER TABLE "models"
      DROP CONSTRAINT "models_failed_says_why",
      ADD CONSTRAINT "models_failed_says_why" CHECK ((status <> 'FAILED' OR failure_code IS NOT NULL) AND (failure_code IS NULL OR status = 'FAILED')) NOT VALID`);
  }

  /** Fails while a generation is PARTIAL or COMPLETED by a retry of its missing pictures, which the older version cannot represent. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "models"
      DROP CONSTRAINT "models_failed_says_why",
      ADD CONSTRAINT "models_failed_says_why" CHECK ((status = 'FAILED') = (failure_code IS NOT NULL))`);
    await runner.query(`UPDATE "generations" g SET result_count =
      (SELECT max(answer_count) FROM avatars a WHERE a.generation_id = g.id AND a.provider_ref = g.provider_ref)
      WHERE result_count IS NULL`);
    await runner.query(`DELETE FROM "avatars" WHERE failure_code = 'UPSTREAM_FAILED'`);
    await runner.query(`ALTER TABLE "generations"
      DROP "ordered_positions",
      DROP CONSTRAINT IF EXISTS "generations_ended_has_ref",
      DROP CONSTRAINT "generations_failed_says_why",
      ADD CONSTRAINT "generations_failed_says_why" CHECK ((status = 'FAILED') = (failure_code IS NOT NULL)),
      DROP CONSTRAINT "generations_running_has_ref",
      ADD CONSTRAINT "generations_running_has_ref" CHECK (status NOT IN ('GENERATING', 'STORING', 'COMPLETED', 'PARTIAL') OR provider_ref IS NOT NULL)`);
    await runner.query(`ALTER TABLE "avatars"
      DROP "provider_ref", DROP "answer_index", DROP "answer_count",
      DROP CONSTRAINT "avatars_failure_known",
      ADD CONSTRAINT "avatars_failure_known" CHECK (failure_code IS NULL OR failure_code IN ('RESULT_UNREACHABLE', 'RESULT_UNUSABLE', 'RESULT_EXPIRED'))`);
  }
}
