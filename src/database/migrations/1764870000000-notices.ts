import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Messages of the server to owners. */
export class Notices1764870000000 implements MigrationInterface {
  readonly name = 'Notices1764870000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "notices" (
      "id" uuid NOT NULL, "owner" text NOT NULL, "kind" text NOT NULL, "message" text NOT NULL, "subject" text,
      "created_at" timestamptz NOT NULL DEFAULT now(),
      CONSTRAINT "notices_pkey" PRIMARY KEY ("id"),
      CONSTRAINT "notices_kind_known" CHECK (kind IN ('WEBHOOK_DISABLED', 'SPENDING_LIMIT_NEAR')))`);
    await runner.query(`CREATE INDEX "notices_of_owner" ON "notices" ("owner", "id")`);
    await runner.query(`CREATE INDEX "notices_old" ON "notices" ("created_at")`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "notices"`);
  }
}
