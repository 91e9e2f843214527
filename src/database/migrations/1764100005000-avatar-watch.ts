import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Pictures that fail stay under watch, bytes have names of their own for each attempt, and stored bytes are checked. */
export class AvatarWatch1764100005000 implements MigrationInterface {
  readonly name = 'AvatarWatch1764100005000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of up) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const statement of down) await runner.query(statement);
  }
}

const up = [
  `ALTER TABLE "avatars"
  ADD COLUMN "source_url_at" timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN "failing_since" timestamptz,
  ADD COLUMN "failure_code" text,
  ADD COLUMN "media_token" text,
  ADD COLUMN "preview_sha256" text,
  ADD COLUMN "check_at" timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN "damaged_at" timestamptz,
  DROP CONSTRAINT "avatars_status_known",
  DROP CONSTRAINT "avatars_pending_is_due"`,
  `UPDATE "avatars" SET failure_code = last_error
    WHERE status = 'LOST' AND last_error IN ('RESULT_UNUSABLE', 'RESULT_EXPIRED')`,
  `ALTER TABLE "avatars"
  ADD CONSTRAINT "avatars_status_known" CHECK (status IN ('PENDING', 'DELAYED', 'STORED', 'LOST')),
  ADD CONSTRAINT "avatars_unfinished_is_due" CHECK (status NOT IN ('PENDING', 'DELAYED') OR (due_at IS NOT NULL AND source_url IS NOT NULL)),
  ADD CONSTRAINT "avatars_finished_is_not_due" CHECK (status IN ('PENDING', 'DELAYED') OR damaged_at IS NOT NULL OR (due_at IS NULL AND source_url IS NULL)),
  ADD CONSTRAINT "avatars_delayed_is_failing" CHECK (status <> 'DELAYED' OR failing_since IS NOT NULL),
  ADD CONSTRAINT "avatars_damaged_was_stored" CHECK (damaged_at IS NULL OR status = 'STORED'),
  ADD CONSTRAINT "avatars_failure_known" CHECK (failure_code IS NULL OR failure_code IN ('RESULT_UNREACHABLE', 'RESULT_UNUSABLE', 'RESULT_EXPIRED'))`,
  `CREATE INDEX "avatars_check" ON "avatars" ("check_at") WHERE status = 'STORED'`,
];

/** Pictures under watch go back to being waited for; stored ones keep the names of their bytes only if they have no token. */
const down = [
  'DROP INDEX "avatars_check"',
  `ALTER TABLE "avatars"
  DROP CONSTRAINT "avatars_status_known",
  DROP CONSTRAINT "avatars_unfinished_is_due",
  DROP CONSTRAINT "avatars_finished_is_not_due",
  DROP CONSTRAINT "avatars_delayed_is_failing",
  DROP CONSTRAINT "avatars_damaged_was_stored",
  DROP CONSTRAINT "avatars_failure_known"`,
  `UPDATE "avatars" SET status = 'PENDING' WHERE status = 'DELAYED'`,
  `UPDATE "avatars" SET due_at = NULL, source_url = NULL, lease = NULL WHERE damaged_at IS NOT NULL`,
  `ALTER TABLE "avatars"
  DROP COLUMN "source_url_at",
  DROP COLUMN "failing_since",
  DROP COLUMN "failure_code",
  DROP COLUMN "media_token",
  DROP COLUMN "preview_sha256",
  DROP COLUMN "check_at",
  DROP COLUMN "damaged_at",
  ADD CONSTRAINT "avatars_status_known" CHECK (status IN ('PENDING', 'STORED', 'LOST')),
  ADD CONSTRAINT "avatars_pending_is_due" CHECK ((status = 'PENDING') = (due_at IS NOT NULL) AND (status = 'PENDING') = (source_url IS NOT NULL))`,
];
