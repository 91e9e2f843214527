import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How long jobs take, as it is learned, and how the progress of a job continues between its changes. */
export class LearnedDurations1764830000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'LearnedDurations1764830000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE IF NOT EXISTS "learned_durations" (
  "provider" text NOT NULL,
  "work" text NOT NULL,
  "job_class" text NOT NULL,
  "bins" jsonb NOT NULL,
  "updated_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "learned_durations_pkey" PRIMARY KEY ("provider", "work", "job_class"),
  CONSTRAINT "learned_durations_work_known" CHECK (work IN ('TRAINING', 'GENERATION'))
)`);
    for (const table of ['models', 'generations']) {
      await runner.query(`ALTER TABLE "${table}" ADD COLUMN IF NOT EXISTS "pace" jsonb`);
    }
    await runner.query('DROP INDEX IF EXISTS "models_learned"');
  }

  /** What has been learned is lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "models_learned" ON "models" ("provider", "type", "ready_at") WHERE ready_at IS NOT NULL`,
    );
    for (const table of ['models', 'generations']) {
      await runner.query(`ALTER TABLE "${table}" DROP COLUMN "pace"`);
    }
    await runner.query('DROP TABLE "learned_durations"');
  }
}
