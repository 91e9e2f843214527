import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A photo is not marked as used when the last model or generation that refers to it is deleted, also by a process of an
 * earlier version, which does not know the mark. The transaction that deletes a job has locked its photos; an erasure deletes them too.
 */
export class PhotoUses1799310000000 implements MigrationInterface {
  readonly name = 'PhotoUses1799310000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE FUNCTION reset_photo_use() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE photos SET is_used = false
   WHERE id = OLD.photo_id AND is_used
     AND NOT EXISTS (SELECT FROM model_photos WHERE photo_id = OLD.photo_id)
     AND NOT EXISTS (SELECT FROM generations WHERE photo_id = OLD.photo_id);
  RETURN NULL;
END $$`);
    await runner.query(`CREATE TRIGGER "model_photos_use" AFTER DELETE ON "model_photos"
  FOR EACH ROW EXECUTE FUNCTION reset_photo_use()`);
    await runner.query(`CREATE TRIGGER "generations_photo_use" AFTER DELETE ON "generations"
  FOR EACH ROW WHEN (OLD.photo_id IS NOT NULL) EXECUTE FUNCTION reset_photo_use()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER "generations_photo_use" ON "generations"');
    await runner.query('DROP TRIGGER "model_photos_use" ON "model_photos"');
    await runner.query('DROP FUNCTION reset_photo_use');
  }
}
