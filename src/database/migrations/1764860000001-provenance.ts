import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ThumbHash of stored pictures, null for earlier ones, and whether they contain a C2PA manifest: earlier versions
 * stored pictures without metadata.
 */
export class Provenance1764860000001 implements MigrationInterface {
  readonly name = 'Provenance1764860000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "avatars"
      ADD COLUMN "thumbhash" text,
      ADD COLUMN "has_content_credentials" boolean NOT NULL DEFAULT false`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "avatars" DROP COLUMN "thumbhash", DROP COLUMN "has_content_credentials"`,
    );
  }
}
