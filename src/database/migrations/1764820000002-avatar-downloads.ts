import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Download URLs for archives of avatars. */
export class AvatarDownloads1764820000002 implements MigrationInterface {
  readonly name = 'AvatarDownloads1764820000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "avatar_downloads" (
      "id" uuid PRIMARY KEY, "owner" text NOT NULL, "avatar_ids" uuid array NOT NULL,
      "created_at" timestamptz NOT NULL DEFAULT now(), "expires_at" timestamptz NOT NULL)`);
    await runner.query(`CREATE INDEX "avatar_downloads_of_owner" ON "avatar_downloads" ("owner")`);
    await runner.query(`CREATE INDEX "avatar_downloads_old" ON "avatar_downloads" ("expires_at")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "avatar_downloads"`);
  }
}
