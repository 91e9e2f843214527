import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is needed to conclude from the absence of photo fetches, and a bound of what is concluded from it. */
export class SubmissionEvidence1764100001000 implements MigrationInterface {
  readonly name = 'SubmissionEvidence1764100001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "photo_servers" (
  "id" uuid NOT NULL,
  "public_url" text NOT NULL,
  "serving_since" timestamptz NOT NULL,
  "last_seen_at" timestamptz NOT NULL,
  "interrupted_at" timestamptz,
  CONSTRAINT "photo_servers_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "photo_servers_period" CHECK (serving_since <= last_seen_at)
)`);
    await runner.query(
      'CREATE INDEX "photo_servers_of_url" ON "photo_servers" ("public_url", "last_seen_at")',
    );
    await runner.query('ALTER TABLE "submissions" ADD COLUMN "photo_url" text');
    await runner.query('ALTER TABLE "models" ADD COLUMN "resends" smallint NOT NULL DEFAULT 0');
    await runner.query('ALTER TABLE "generations" ADD COLUMN "resends" smallint NOT NULL DEFAULT 0');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "generations" DROP COLUMN "resends"');
    await runner.query('ALTER TABLE "models" DROP COLUMN "resends"');
    await runner.query('ALTER TABLE "submissions" DROP COLUMN "photo_url"');
    await runner.query('DROP TABLE "photo_servers"');
  }
}
