import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Paid calls outlive their jobs, as amounts and times, and know how much was asked for. */
export class Ledger1764100003002 implements MigrationInterface {
  readonly name = 'Ledger1764100003002';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of up) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of down) await runner.query(statement);
  }
}

const up = [
  `ALTER TABLE "submissions"
  ADD COLUMN "trainings" integer NOT NULL DEFAULT 0,
  ADD COLUMN "avatars" integer NOT NULL DEFAULT 0,
  ADD COLUMN "credits_available" integer,
  ADD COLUMN "job_deleted_at" timestamptz,
  DROP CONSTRAINT "submissions_model",
  DROP CONSTRAINT "submissions_generation",
  DROP CONSTRAINT "submissions_one_job",
  DROP CONSTRAINT "submissions_accepted_has_ref",
  ADD CONSTRAINT "submissions_one_job" CHECK (model_id IS NULL OR generation_id IS NULL),
  ADD CONSTRAINT "submissions_accepted_has_ref"
    CHECK (outcome <> 'ACCEPTED' OR provider_ref IS NOT NULL OR (model_id IS NULL AND generation_id IS NULL)),
  ADD CONSTRAINT "submissions_detached_is_anonymous"
    CHECK (model_id IS NOT NULL OR generation_id IS NOT NULL
           OR (provider_ref IS NULL AND correlation_id IS NULL AND evidence IS NULL AND job_deleted_at IS NULL))`,
  'UPDATE "submissions" SET trainings = 1 WHERE model_id IS NOT NULL',
  'UPDATE "submissions" s SET avatars = g.wanted FROM generations g WHERE g.id = s.generation_id',
  `CREATE INDEX "submissions_detached" ON "submissions" ("called_at") WHERE model_id IS NULL AND generation_id IS NULL`,
  `CREATE INDEX "submissions_of_deleted" ON "submissions" ("job_deleted_at") WHERE job_deleted_at IS NOT NULL`,
];

const down = [
  'DROP INDEX "submissions_of_deleted"',
  'DROP INDEX "submissions_detached"',
  'DELETE FROM "submissions" WHERE (model_id IS NULL AND generation_id IS NULL) OR job_deleted_at IS NOT NULL',
  `ALTER TABLE "submissions"
  DROP CONSTRAINT "submissions_detached_is_anonymous",
  DROP CONSTRAINT "submissions_accepted_has_ref",
  DROP CONSTRAINT "submissions_one_job",
  DROP COLUMN "job_deleted_at", DROP COLUMN "credits_available", DROP COLUMN "avatars", DROP COLUMN "trainings",
  ADD CONSTRAINT "submissions_one_job" CHECK ((model_id IS NULL) <> (generation_id IS NULL)),
  ADD CONSTRAINT "submissions_accepted_has_ref" CHECK (outcome <> 'ACCEPTED' OR provider_ref IS NOT NULL),
  ADD CONSTRAINT "submissions_model" FOREIGN KEY ("model_id") REFERENCES "models" ("id") ON DELETE CASCADE,
  ADD CONSTRAINT "submissions_generation" FOREIGN KEY ("generation_id") REFERENCES "generations" ("id") ON DELETE CASCADE`,
];
