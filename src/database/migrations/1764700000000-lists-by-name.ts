import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

/** Models by status, type and name. */
export class ListsByName1764700000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'ListsByName1764700000000';

  up(runner: QueryRunner): Promise<void> {
    return createIndexes(runner, {
      models_of_owner_by_status_and_name: `"models" ("owner", "status", "type", lower("name" COLLATE "C"), "id")`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX "models_of_owner_by_status_and_name"`);
  }
}
