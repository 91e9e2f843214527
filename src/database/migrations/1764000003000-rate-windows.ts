import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Counts of requests, shared by processes. */
export class RateWindows1764000003000 implements MigrationInterface {
  readonly name = 'RateWindows1764000003000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "rate_windows" (
  "subject" text NOT NULL,
  "ends_at" timestamptz NOT NULL,
  "count" integer NOT NULL,
  CONSTRAINT "rate_windows_pkey" PRIMARY KEY ("subject"),
  CONSTRAINT "rate_windows_counted" CHECK (count > 0)
)`);
    await runner.query('CREATE INDEX "rate_windows_old" ON "rate_windows" ("ends_at")');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE "rate_windows"');
  }
}
