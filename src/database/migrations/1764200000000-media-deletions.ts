import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Renames `doomed_media` to `media_deletions`, with its rows. A view keeps the old name for processes of the previous
 * version that still run during the upgrade; the next release drops it.
 */
export class MediaDeletions1764200000000 implements MigrationInterface {
  readonly name = 'MediaDeletions1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "doomed_media" RENAME TO "media_deletions"');
    await runner.query(
      'ALTER TABLE "media_deletions" RENAME CONSTRAINT "doomed_media_pkey" TO "media_deletions_pkey"',
    );
    await runner.query('ALTER INDEX "doomed_media_due" RENAME TO "media_deletions_due"');
    await runner.query(
      'CREATE VIEW "doomed_media" AS SELECT "key", "tries", "due_at", "created_at" FROM "media_deletions"',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP VIEW "doomed_media"');
    await runner.query('ALTER INDEX "media_deletions_due" RENAME TO "doomed_media_due"');
    await runner.query(
      'ALTER TABLE "media_deletions" RENAME CONSTRAINT "media_deletions_pkey" TO "doomed_media_pkey"',
    );
    await runner.query('ALTER TABLE "media_deletions" RENAME TO "doomed_media"');
  }
}
