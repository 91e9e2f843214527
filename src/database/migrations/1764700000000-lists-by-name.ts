import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Models by status, type and name. */
export class ListsByName1764700000000 implements MigrationInterface {
  readonly name = 'ListsByName1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX "models_of_owner_by_status_and_name" ON "models" ("owner", "status", "type", lower("name" COLLATE "C"), "id")`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "models_of_owner_by_status_and_name"`);
  }
}
