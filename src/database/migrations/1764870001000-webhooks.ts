import type { MigrationInterface, QueryRunner } from 'typeorm';

const dueRows = `WHERE due_at IS NOT NULL AND status = 'ENABLED' AND tries = 0`;
const failingRows = `WHERE due_at IS NOT NULL AND status = 'ENABLED' AND tries > 0`;

const indexes = [
  `"webhooks_due" ON "webhooks" ("due_at") ${dueRows}`,
  `"webhooks_due_of_owner" ON "webhooks" ("owner", "due_at") ${dueRows}`,
  `"webhooks_failing_due" ON "webhooks" ("due_at") ${failingRows}`,
  `"webhooks_failing_due_of_owner" ON "webhooks" ("owner", "due_at") ${failingRows}`,
  `"webhooks_to_follow" ON "webhooks" ("follow_at") WHERE status = 'ENABLED'`,
  `"webhooks_of_owner" ON "webhooks" ("owner", "id")`,
  `"webhook_deliveries_pending" ON "webhook_deliveries" ("webhook_id", "stream_id", "number") WHERE status = 'PENDING'`,
  `"webhook_deliveries_of_webhook" ON "webhook_deliveries" ("webhook_id", "id")`,
  `"webhook_deliveries_by_status" ON "webhook_deliveries" ("webhook_id", "status", "id")`,
  `"webhook_deliveries_of_owner" ON "webhook_deliveries" ("owner", "id")`,
  `"webhook_deliveries_old" ON "webhook_deliveries" ("created_at") WHERE status <> 'PENDING'`,
];

/** Webhooks and their deliveries, see `docs/adr/0026-webhooks.md`. */
export class Webhooks1764870001000 implements MigrationInterface {
  readonly name = 'Webhooks1764870001000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "webhooks" (
      "id" uuid NOT NULL, "owner" text NOT NULL, "due_at" timestamptz, "lease" uuid, "tries" integer NOT NULL DEFAULT 0,
      "created_at" timestamptz NOT NULL DEFAULT now(), "url" text NOT NULL, "description" text,
      "event_types" text[] NOT NULL, "status" text NOT NULL DEFAULT 'ENABLED', "disabled_reason" text,
      "secret" text NOT NULL, "old_secret" text, "old_secret_expires_at" timestamptz,
      "owner_stream_id" uuid NOT NULL, "position" bigint NOT NULL, "follow_at" timestamptz NOT NULL DEFAULT now(),
      "last_number" bigint NOT NULL DEFAULT 0, "failing_since" timestamptz, "rest_until" timestamptz,
      CONSTRAINT "webhooks_pkey" PRIMARY KEY ("id"),
      CONSTRAINT "webhooks_status_known" CHECK (status IN ('ENABLED', 'PAUSED', 'DISABLED')))`);
    await runner.query(`CREATE TABLE "webhook_deliveries" (
      "id" uuid NOT NULL, "owner" text NOT NULL, "webhook_id" uuid NOT NULL, "number" bigint NOT NULL,
      "stream_id" uuid NOT NULL, "event_type" text NOT NULL, "subject_id" text NOT NULL, "body" text NOT NULL,
      "status" text NOT NULL DEFAULT 'PENDING', "next_attempt_at" timestamptz, "tries" integer NOT NULL DEFAULT 0,
      "failing_since" timestamptz, "attempts" jsonb NOT NULL DEFAULT '[]', "replayed_at" timestamptz,
      "created_at" timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT "webhook_deliveries_pkey" PRIMARY KEY ("id"),
      CONSTRAINT "webhook_deliveries_status_known" CHECK (status IN ('PENDING', 'DELIVERED', 'FAILED')),
      CONSTRAINT "webhook_deliveries_pending_next" CHECK ((status = 'PENDING') = (next_attempt_at IS NOT NULL)))`);
    await runner.query(
      `CREATE UNIQUE INDEX "webhook_deliveries_once" ON "webhook_deliveries" ("webhook_id", "number")`,
    );
    for (const index of indexes) await runner.query(`CREATE INDEX ${index}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "webhook_deliveries", "webhooks"`);
  }
}
