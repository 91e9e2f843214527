import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What happened to jobs, and how long paid calls took. Jobs from before have entries of later events only. */
export class Timeline1764840000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Timeline1764840000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "submissions" ADD COLUMN IF NOT EXISTS "duration_ms" integer');
    await runner.query(`CREATE TABLE IF NOT EXISTS "timeline_entries" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "model_id" uuid,
  "generation_id" uuid,
  "attempt" integer NOT NULL,
  "kind" text NOT NULL,
  "occurred_at" timestamptz NOT NULL,
  "status" text,
  "failure_code" text,
  "polls" integer,
  "outcome" text,
  "http_status" smallint,
  "duration_ms" integer,
  "correlation_id" text,
  CONSTRAINT "timeline_entries_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "timeline_entries_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE,
  CONSTRAINT "timeline_entries_generation" FOREIGN KEY ("generation_id") REFERENCES "generations" ("id") ON DELETE CASCADE,
  CONSTRAINT "timeline_entries_one_job" CHECK (num_nonnulls(model_id, generation_id) = 1),
  CONSTRAINT "timeline_entries_kind_known" CHECK (kind IN ('REQUESTED', 'SUBMITTED', 'POLLED', 'STATUS_CHANGED', 'AVATAR_STORED', 'ACTED_ON')),
  CONSTRAINT "timeline_entries_polled_is_whole" CHECK (kind <> 'POLLED' OR (polls IS NOT NULL AND outcome IS NOT NULL AND duration_ms IS NOT NULL))
)`);
    // The table was created a moment ago, so that its indexes need no online build.
    await runner.query(
      'CREATE INDEX IF NOT EXISTS "timeline_entries_of_model" ON "timeline_entries" ("model_id", "id") WHERE model_id IS NOT NULL',
    );
    await runner.query(
      'CREATE INDEX IF NOT EXISTS "timeline_entries_of_generation" ON "timeline_entries" ("generation_id", "id") WHERE generation_id IS NOT NULL',
    );
  }

  /** All timelines are lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE IF EXISTS "timeline_entries"');
    await runner.query('ALTER TABLE "submissions" DROP COLUMN IF EXISTS "duration_ms"');
  }
}
