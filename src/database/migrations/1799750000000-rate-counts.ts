import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts of requests by counter, so that a count that is stored twice is counted once. Earlier versions use `rate_windows`. */
export class RateCounts1799750000000 implements MigrationInterface {
  readonly name = 'RateCounts1799750000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "rate_counts" (
  "subject" text NOT NULL,
  "ends_at" timestamptz NOT NULL,
  "counts" jsonb NOT NULL,
  CONSTRAINT "rate_counts_pkey" PRIMARY KEY ("subject", "ends_at")
)`);
    await runner.query('CREATE INDEX "rate_counts_old" ON "rate_counts" ("ends_at")');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE "rate_counts"');
  }
}
