import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, repeatUntilDone } from '../online-changes';

const rowsAtOnce = 5_000;

/** The styles of each generation, and the index of lists by style. The trigger also serves processes of earlier versions. */
export class GenerationStyles1764800000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'GenerationStyles1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "generations" ADD COLUMN IF NOT EXISTS "styles" text[]');
    await runner.query(`CREATE OR REPLACE FUNCTION styles_of(prompts jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
SELECT ARRAY(SELECT DISTINCT prompt ->> 'style' FROM jsonb_array_elements(prompts) AS prompt WHERE prompt ? 'style' ORDER BY 1)
$$`);
    await runner.query(`CREATE OR REPLACE FUNCTION write_styles() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.styles := styles_of(NEW.prompts);
  RETURN NEW;
END $$`);
    await runner.query(`CREATE OR REPLACE TRIGGER "generations_styles" BEFORE INSERT ON "generations"
  FOR EACH ROW EXECUTE FUNCTION write_styles()`);
    await repeatUntilDone(
      runner,
      `UPDATE generations SET styles = styles_of(prompts)
        WHERE id IN (SELECT id FROM generations WHERE styles IS NULL LIMIT ${rowsAtOnce}) RETURNING id`,
    );
    await createIndexes(runner, {
      generations_of_owner_by_styles: `"generations" ("owner", "styles", "status", "id")`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX "generations_of_owner_by_styles"');
    await runner.query('DROP TRIGGER "generations_styles" ON "generations"');
    await runner.query('DROP FUNCTION write_styles, styles_of');
    await runner.query('ALTER TABLE "generations" DROP COLUMN "styles"');
  }
}
