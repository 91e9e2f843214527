import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, type IndexDefinitions } from '../online-changes';

/** Indexes of lists by their orders and filters. */
abstract class Indexes implements MigrationInterface {
  readonly transaction = false;
  abstract readonly name: string;
  protected abstract readonly indexes: IndexDefinitions;

  up(runner: QueryRunner): Promise<void> {
    return createIndexes(runner, this.indexes);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const name of Object.keys(this.indexes)) await runner.query(`DROP INDEX "${name}"`);
  }
}

/** Models by name, and by status and type. */
export class ModelLists1764400000000 extends Indexes {
  readonly name = 'ModelLists1764400000000';
  protected readonly indexes = {
    models_of_owner_by_name: `"models" ("owner", lower("name" COLLATE "C"), "id")`,
    models_of_owner_by_status: `"models" ("owner", "status", "type", "id")`,
  };
}

/** Generations by status. */
export class GenerationLists1764400000001 extends Indexes {
  readonly name = 'GenerationLists1764400000001';
  protected readonly indexes = {
    generations_of_owner_by_status: `"generations" ("owner", "status", "id")`,
  };
}

/** Stored avatars of an owner, also by style. */
export class AvatarLists1764400000002 extends Indexes {
  readonly name = 'AvatarLists1764400000002';
  protected readonly indexes = {
    avatars_of_owner: `"avatars" ("owner", "id") WHERE status = 'STORED'`,
    avatars_of_owner_by_style: `"avatars" ("owner", "style", "id") WHERE status = 'STORED'`,
  };
}

/** Photos by status, and those to be purged, among which are the unused ones. */
export class PhotoLists1764400000003 extends Indexes {
  readonly name = 'PhotoLists1764400000003';
  protected readonly indexes = {
    photos_of_owner_by_status: `"photos" ("owner", "status", "id")`,
    photos_of_owner_to_purge: `"photos" ("owner", "id") WHERE purge_at IS NOT NULL`,
  };
}
