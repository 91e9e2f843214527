import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The size and format of the pictures in an archive of avatars. */
export class DownloadVariants1764900000000 implements MigrationInterface {
  readonly name = 'DownloadVariants1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "avatar_downloads" ADD COLUMN "variant" text NOT NULL DEFAULT 'original'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "avatar_downloads" DROP COLUMN "variant"`);
  }
}
