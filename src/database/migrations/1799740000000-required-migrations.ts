import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Migrations without which a version must not start: later ones have removed what it uses. */
export class RequiredMigrations1799740000000 implements MigrationInterface {
  readonly name = 'RequiredMigrations1799740000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "installation" ADD "required_migrations" text[] NOT NULL DEFAULT '{}'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "installation" DROP COLUMN "required_migrations"');
  }
}
