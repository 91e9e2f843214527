import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Pauses of submissions while the upstream refuses the account, or by the operator. */
export class AccountPause1764100003001 implements MigrationInterface {
  readonly name = 'AccountPause1764100003001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "upstream_accounts"
  ADD COLUMN "submit_paused_at" timestamptz,
  ADD COLUMN "submit_pause_reason" text,
  ADD COLUMN "probe_at" timestamptz,
  ADD COLUMN "probes" integer NOT NULL DEFAULT 0,
  ADD COLUMN "trial_at" timestamptz,
  ADD CONSTRAINT "upstream_accounts_pause_whole" CHECK ((submit_paused_at IS NULL) = (submit_pause_reason IS NULL)),
  ADD CONSTRAINT "upstream_accounts_pause_known"
    CHECK (submit_pause_reason IN ('UPSTREAM_AUTH', 'UPSTREAM_CREDITS', 'OPERATOR'))`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "upstream_accounts"
  DROP CONSTRAINT "upstream_accounts_pause_known", DROP CONSTRAINT "upstream_accounts_pause_whole",
  DROP COLUMN "trial_at", DROP COLUMN "probes", DROP COLUMN "probe_at",
  DROP COLUMN "submit_pause_reason", DROP COLUMN "submit_paused_at"`);
  }
}
