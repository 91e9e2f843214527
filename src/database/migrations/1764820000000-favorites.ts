import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, replaceIndexes } from '../online-changes';

const stored = `WHERE status = 'STORED'`;

/** Avatars that their owners have marked, and the indexes of lists by the mark. */
export class Favorites1764820000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Favorites1764820000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `ALTER TABLE "avatars" ADD COLUMN IF NOT EXISTS "favorite" boolean NOT NULL DEFAULT false`,
    );
    await createIndexes(runner, {
      avatars_of_owner_by_favorite: `"avatars" ("owner", "favorite", "id") ${stored}`,
    });
    await replaceIndexes(
      runner,
      { avatars_of_owner_by_style: `"avatars" ("owner", "style", "favorite", "id") ${stored}` },
      (text) => text.includes('favorite'),
    );
  }

  /** The marks are lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "avatars_of_owner_by_favorite"`);
    await runner.query(`DROP INDEX "avatars_of_owner_by_style"`);
    await runner.query(`ALTER TABLE "avatars" DROP COLUMN "favorite"`);
    await runner.query(
      `CREATE INDEX "avatars_of_owner_by_style" ON "avatars" ("owner", "style", "id") ${stored}`,
    );
  }
}
