import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Stored renditions of avatars. */
export class Renditions1764860000000 implements MigrationInterface {
  readonly name = 'Renditions1764860000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "avatar_renditions" (
      "id" uuid PRIMARY KEY, "avatar_id" uuid NOT NULL, "name" text NOT NULL, "byte_size" integer NOT NULL,
      "sha256" text NOT NULL, "read_at" timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT "avatar_renditions_once" UNIQUE ("avatar_id", "name"))`);
    await runner.query(`CREATE INDEX "avatar_renditions_unread" ON "avatar_renditions" ("read_at")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    // Earlier versions delete these files.
    await runner.query(`INSERT INTO "media_deletions" ("key") SELECT 'renditions/' || id FROM "avatar_renditions"
      ON CONFLICT ("key") DO NOTHING`);
    await runner.query(`DROP TABLE "avatar_renditions"`);
  }
}
