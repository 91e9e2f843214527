import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Client tokens, which browsers use in place of an API key. */
export class ClientTokens1764890000000 implements MigrationInterface {
  readonly name = 'ClientTokens1764890000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "client_tokens" (
      "id" uuid PRIMARY KEY, "secret_sha256" text NOT NULL, "owner" text NOT NULL, "key_id" text,
      "scopes" text[] NOT NULL, "model_id" uuid, "generation_id" uuid,
      "uses_left" integer, "uploads_left" integer NOT NULL,
      "created_at" timestamptz NOT NULL DEFAULT now(), "expires_at" timestamptz NOT NULL, "revoked_at" timestamptz,
      CONSTRAINT "client_tokens_hash_is_whole" CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
      CONSTRAINT "client_tokens_scopes_known" CHECK (cardinality(scopes) > 0 AND scopes <@ ARRAY['read'::text, 'write'::text]),
      CONSTRAINT "client_tokens_counts" CHECK (uses_left >= 0 AND uploads_left >= 0))`);
    await runner.query(`CREATE INDEX "client_tokens_of_owner" ON "client_tokens" ("owner", "expires_at")`);
    await runner.query(`CREATE INDEX "client_tokens_old" ON "client_tokens" ("expires_at")`);
    await runner.query(
      `CREATE INDEX "client_tokens_revoked" ON "client_tokens" ("expires_at") WHERE revoked_at IS NOT NULL`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE "client_tokens"`);
  }
}
