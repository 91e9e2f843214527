import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Erasures, exports, consents, and the forgetting of what upstreams answered. */
export class Privacy1764000002000 implements MigrationInterface {
  readonly name = 'Privacy1764000002000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of statements) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX "submissions_evidence_old"');
    for (const table of ['models', 'generations']) {
      await runner.query(`ALTER TABLE "${table}" DROP COLUMN "consent_at", DROP COLUMN "consent_version"`);
    }
    await runner.query('DROP TABLE "exports", "erasures"');
  }
}

/** New columns without a default cost no rewrite; the check is found true of the rows that are there. */
const consentOf = (table: string) => `ALTER TABLE "${table}"
  ADD COLUMN "consent_version" text,
  ADD COLUMN "consent_at" timestamptz,
  ADD CONSTRAINT "${table}_consent_whole" CHECK ((consent_version IS NULL) = (consent_at IS NULL))`;

const statements = [
  `CREATE TABLE "erasures" (
  "id" uuid NOT NULL,
  "owner" text,
  "erased_at" timestamptz NOT NULL DEFAULT now(),
  "completed_at" timestamptz,
  "due_at" timestamptz DEFAULT now(),
  "photos" integer NOT NULL DEFAULT 0,
  "models" integer NOT NULL DEFAULT 0,
  "generations" integer NOT NULL DEFAULT 0,
  "avatars" integer NOT NULL DEFAULT 0,
  CONSTRAINT "erasures_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "erasures_due_while_owned" CHECK ((owner IS NULL) = (due_at IS NULL)),
  CONSTRAINT "erasures_forgotten_is_complete" CHECK (owner IS NOT NULL OR completed_at IS NOT NULL)
)`,
  `CREATE UNIQUE INDEX "erasures_running" ON "erasures" ("owner") WHERE completed_at IS NULL`,
  `CREATE INDEX "erasures_due" ON "erasures" ("due_at") WHERE due_at IS NOT NULL`,
  `CREATE TABLE "exports" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "expires_at" timestamptz NOT NULL,
  CONSTRAINT "exports_pkey" PRIMARY KEY ("id")
)`,
  `CREATE INDEX "exports_of_owner" ON "exports" ("owner")`,
  `CREATE INDEX "exports_old" ON "exports" ("expires_at")`,
  consentOf('models'),
  consentOf('generations'),
  `CREATE INDEX "submissions_evidence_old" ON "submissions" ("called_at") WHERE evidence IS NOT NULL`,
];
