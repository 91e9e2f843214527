import type { MigrationInterface, QueryRunner } from 'typeorm';

/** API keys, quotas and the audit log. */
export class Accounts1764000001000 implements MigrationInterface {
  readonly name = 'Accounts1764000001000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX "models_running_of_owner", "generations_running_of_owner"');
    await runner.query('DROP TABLE "audit_log", "quota_reservations", "api_keys"');
  }
}

const statements = [
  `CREATE TABLE "api_keys" (
  "id" text NOT NULL,
  "secret_sha256" text NOT NULL,
  "owner" text NOT NULL,
  "name" text,
  "scopes" text array NOT NULL,
  "on_behalf" boolean NOT NULL DEFAULT false,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "expires_at" timestamptz,
  "revoked_at" timestamptz,
  "last_used_at" timestamptz,
  CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "api_keys_hash_is_whole" CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
  CONSTRAINT "api_keys_scopes_known" CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read'::text, 'write'::text, 'admin'::text]),
  CONSTRAINT "api_keys_behalf_is_plain" CHECK (NOT on_behalf OR POSITION('/'::text IN owner) = 0)
)`,
  `CREATE INDEX "api_keys_of_owner" ON "api_keys" ("owner")`,
  `CREATE TABLE "quota_reservations" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "day" date NOT NULL,
  "job_id" uuid NOT NULL,
  "after_attempt" integer NOT NULL DEFAULT 0,
  "trainings" integer NOT NULL DEFAULT 0,
  "avatars" integer NOT NULL DEFAULT 0,
  "returned_at" timestamptz,
  CONSTRAINT "quota_reservations_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "quota_reservations_of_something" CHECK (trainings >= 0 AND avatars >= 0 AND trainings + avatars > 0)
)`,
  `CREATE INDEX "quota_reservations_of_owner" ON "quota_reservations" ("owner", "day")`,
  `CREATE INDEX "quota_reservations_of_job" ON "quota_reservations" ("job_id")`,
  `CREATE INDEX "quota_reservations_old" ON "quota_reservations" ("day")`,
  `CREATE TABLE "audit_log" (
  "id" uuid NOT NULL,
  "at" timestamptz NOT NULL DEFAULT now(),
  "actor" text NOT NULL,
  "owner" text NOT NULL,
  "action" text NOT NULL,
  "subject" text,
  "details" jsonb NOT NULL DEFAULT '{}',
  CONSTRAINT "audit_log_pkey" PRIMARY KEY ("id")
)`,
  `CREATE INDEX "audit_log_of_owner" ON "audit_log" ("owner", "at")`,
  `CREATE INDEX "audit_log_old" ON "audit_log" ("at")`,
  `CREATE INDEX "models_running_of_owner" ON "models" ("owner") WHERE status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING')`,
  `CREATE INDEX "generations_running_of_owner" ON "generations" ("owner") WHERE status IN ('QUEUED', 'SUBMITTING', 'UNCERTAIN', 'GENERATING', 'STORING')`,
];
