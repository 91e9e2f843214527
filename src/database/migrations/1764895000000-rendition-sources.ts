import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The picture that a rendition was made from. Those that exist are made again when they are next requested.
 *
 * Processes of earlier versions, which may run during an upgrade, replace a picture without the columns that describe it; the
 * trigger resets them: `thumbhash` is made again by the periodic check, and earlier versions store no C2PA manifest. The next
 * release drops it.
 */
export class RenditionSources1764895000000 implements MigrationInterface {
  readonly name = 'RenditionSources1764895000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "avatar_renditions" ADD COLUMN "media_token" text');
    await runner.query(`CREATE FUNCTION reset_earlier_picture() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.thumbhash := NULL;
  NEW.has_content_credentials := false;
  RETURN NEW;
END $$`);
    await runner.query(`CREATE TRIGGER "avatars_earlier_picture" BEFORE UPDATE OF "sha256" ON "avatars" FOR EACH ROW
  WHEN (NEW.sha256 <> OLD.sha256 AND NEW.thumbhash IS NOT DISTINCT FROM OLD.thumbhash AND NEW.has_content_credentials = OLD.has_content_credentials)
  EXECUTE FUNCTION reset_earlier_picture()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER "avatars_earlier_picture" ON "avatars"');
    await runner.query('DROP FUNCTION reset_earlier_picture');
    await runner.query('ALTER TABLE "avatar_renditions" DROP COLUMN "media_token"');
  }
}
