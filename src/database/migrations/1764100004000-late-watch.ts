import type { MigrationInterface, QueryRunner } from 'typeorm';

const jobTables = [
  ['models', 'TRAINING'],
  ['generations', 'GENERATING'],
] as const;

/**
 * What polls have shown of a job, and indexes and a budget of their own for polls of failed jobs. Jobs that failed before
 * are watched as long as they were going to be: their `deadline_at` becomes the end of that time.
 */
export class LateWatch1764100004000 implements MigrationInterface {
  readonly name = 'LateWatch1764100004000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [table, running] of jobTables) {
      await runner.query(`ALTER TABLE "${table}"
  ADD COLUMN "not_found_since" timestamptz,
  ADD COLUMN "not_found_count" integer NOT NULL DEFAULT 0,
  ADD COLUMN "last_running_at" timestamptz`);
      await runner.query(
        `UPDATE "${table}" SET deadline_at = submitted_at + interval '48 h' WHERE status = 'FAILED' AND due_at IS NOT NULL`,
      );
      await runner.query(`DROP INDEX "${table}_followed_due", "${table}_followed_of_owner"`);
      for (const [name, columns, status] of indexesOf(running))
        await runner.query(
          `CREATE INDEX "${table}_${name}" ON "${table}" (${columns}) WHERE due_at IS NOT NULL AND status = '${status}'`,
        );
    }
    await runner.query(`ALTER TABLE "upstream_accounts"
  ADD COLUMN "watch_tokens" double precision NOT NULL DEFAULT '0',
  ADD COLUMN "watch_refilled_at" timestamptz NOT NULL DEFAULT now()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE "upstream_accounts" DROP COLUMN "watch_tokens", DROP COLUMN "watch_refilled_at"',
    );
    for (const [table, running] of jobTables) {
      for (const [name] of indexesOf(running)) await runner.query(`DROP INDEX "${table}_${name}"`);
      const followed = `WHERE due_at IS NOT NULL AND status IN ('${running}', 'FAILED')`;
      await runner.query(`CREATE INDEX "${table}_followed_due" ON "${table}" ("due_at") ${followed}`);
      await runner.query(
        `CREATE INDEX "${table}_followed_of_owner" ON "${table}" ("owner", "due_at") ${followed}`,
      );
      await runner.query(`ALTER TABLE "${table}"
  DROP COLUMN "not_found_since", DROP COLUMN "not_found_count", DROP COLUMN "last_running_at"`);
    }
  }
}

const indexesOf = (running: string): [name: string, columns: string, status: string][] => [
  ['followed_due', '"due_at"', running],
  ['followed_of_owner', '"owner", "due_at"', running],
  ['followed_deadline', '"deadline_at"', running],
  ['watched_due', '"due_at"', 'FAILED'],
  ['watched_of_owner', '"owner", "due_at"', 'FAILED'],
];
