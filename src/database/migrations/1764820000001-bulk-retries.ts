import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The jobs of bulk retries, by their idempotency keys. */
export class BulkRetries1764820000001 implements MigrationInterface {
  readonly name = 'BulkRetries1764820000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "bulk_retries" (
      "owner" text NOT NULL, "key" text NOT NULL, "job_id" uuid NOT NULL, "attempt" integer NOT NULL,
      "settled_at" timestamptz, "failure_code" text, "failure_message" text,
      PRIMARY KEY ("owner", "key", "job_id"),
      CONSTRAINT "bulk_retries_key" FOREIGN KEY ("owner", "key") REFERENCES "idempotency_keys" ("owner", "key") ON DELETE CASCADE)`);
    await runner.query(
      `CREATE INDEX "bulk_retries_unsettled" ON "bulk_retries" ("owner", "key", "job_id") WHERE settled_at IS NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "bulk_retries"`);
  }
}
