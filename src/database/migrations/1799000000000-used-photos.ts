import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

/**
 * Photos of ended jobs are marked as used, so that a list of unused photos does not read them. Those of jobs that ended
 * before are not marked, and are found as before.
 */
export class UsedPhotos1799000000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'UsedPhotos1799000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "photos" ADD COLUMN IF NOT EXISTS "is_used" boolean NOT NULL DEFAULT false`,
    );
    await createIndexes(runner, {
      photos_of_owner_unused: `"photos" ("owner", "id") WHERE purge_at IS NOT NULL AND NOT is_used`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX IF EXISTS "photos_of_owner_unused"');
    await runner.query('ALTER TABLE "photos" DROP COLUMN IF EXISTS "is_used"');
  }
}
