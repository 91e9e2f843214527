import type { MigrationInterface, QueryRunner } from 'typeorm';

const circuits = ['poll', 'submit', 'reach'];

/** Circuit breakers that count failing jobs, one for each kind of call and one for reachability. */
export class Circuits1764100003000 implements MigrationInterface {
  readonly name = 'Circuits1764100003000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "upstream_accounts" DROP COLUMN "failures", DROP COLUMN "broken_until"');
    for (const circuit of circuits) {
      await runner.query(`ALTER TABLE "upstream_accounts"
  ADD COLUMN "${circuit}_failing" uuid[] NOT NULL DEFAULT '{}',
  ADD COLUMN "${circuit}_failing_since" timestamptz,
  ADD COLUMN "${circuit}_open_until" timestamptz`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const circuit of circuits) {
      await runner.query(`ALTER TABLE "upstream_accounts"
  DROP COLUMN "${circuit}_failing", DROP COLUMN "${circuit}_failing_since", DROP COLUMN "${circuit}_open_until"`);
    }
    await runner.query(`ALTER TABLE "upstream_accounts"
  ADD COLUMN "failures" integer NOT NULL DEFAULT 0,
  ADD COLUMN "broken_until" timestamptz`);
  }
}
