import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

const works = {
  fresh: 'due_at IS NOT NULL AND failing_since IS NULL',
  failing: 'due_at IS NOT NULL AND failing_since IS NOT NULL',
};

/** Indexes of pictures to be fetched by kind of work and due time, and of generations whose pictures are being fetched. */
export class Claims1764810000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Claims1764810000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [work, rows] of Object.entries(works)) {
      await createIndexes(runner, {
        [`avatars_${work}_due`]: `"avatars" ("due_at") WHERE ${rows}`,
        [`avatars_${work}_of_owner`]: `"avatars" ("owner", "due_at") WHERE ${rows}`,
        [`avatars_${work}_expiring_of_owner`]: `"avatars" ("owner", "expires_at", "due_at") WHERE ${rows}`,
      });
    }
    await createIndexes(runner, {
      generations_storing_due: `"generations" ("due_at") WHERE due_at IS NOT NULL AND status = 'STORING'`,
    });
    for (const name of ['due', 'due_of_owner', 'expiring_of_owner'])
      await runner.query(`DROP INDEX IF EXISTS "avatars_${name}"`);
  }

  async down(runner: QueryRunner): Promise<void> {
    const earlier = {
      avatars_due: '"expires_at", "due_at"',
      avatars_due_of_owner: '"owner", "due_at"',
      avatars_expiring_of_owner: '"owner", "expires_at", "due_at"',
    };
    for (const [name, columns] of Object.entries(earlier))
      await runner.query(`CREATE INDEX "${name}" ON "avatars" (${columns}) WHERE due_at IS NOT NULL`);
    await runner.query('DROP INDEX "generations_storing_due"');
    for (const work of Object.keys(works))
      for (const name of ['due', 'of_owner', 'expiring_of_owner'])
        await runner.query(`DROP INDEX "avatars_${work}_${name}"`);
  }
}
