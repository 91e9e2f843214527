import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Each try to store a photo has its own media key. That of the first is known to earlier versions. */
export class PhotoTokens1799730000000 implements MigrationInterface {
  readonly name = 'PhotoTokens1799730000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "photos" ADD "media_token" text');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "photos" DROP COLUMN "media_token"');
  }
}
