import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What replaces advisory locks with DATABASE_ENGINE=portable. */
export class PortableEngine1798700000000 implements MigrationInterface {
  readonly name = 'PortableEngine1798700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE "locks" (
  "name" text NOT NULL,
  "slot" integer NOT NULL,
  CONSTRAINT "locks_pkey" PRIMARY KEY ("name", "slot"))`);
    await runner.query(`INSERT INTO locks (name, slot)
SELECT name, slot FROM unnest(ARRAY['quota', 'erasure', 'client-tokens', 'webhooks', 'restore', 'register']) AS name, generate_series(0, 1023) AS slot`);
    // The first migration with this engine has already made it, for its lease.
    await runner.query(`CREATE TABLE IF NOT EXISTS "installation" (
  "id" integer NOT NULL,
  "engine" text,
  "migrator" uuid,
  "migrating_until" timestamptz,
  CONSTRAINT "installation_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "installation_id_only" CHECK (id = 1))`);
    await runner.query('INSERT INTO installation (id) VALUES (1) ON CONFLICT DO NOTHING');
    // As admit_write, with a shared lock of a row.
    await runner.query(`CREATE FUNCTION "admit_write_by_row"("writer" text, "admitted_at" timestamptz, "known" uuid[], "valid_ms" integer)
RETURNS text LANGUAGE plpgsql VOLATILE SET lock_timeout = '2s' AS $$
BEGIN
  PERFORM FROM locks WHERE name = 'erasure' AND slot = (hashtextextended(writer, 0) & 1023)::integer FOR SHARE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'The table locks lacks rows.';
  ELSIF EXISTS (SELECT FROM erasures WHERE owner = writer
                 AND (completed_at IS NULL OR (known IS NOT NULL AND id <> ALL (known)))) THEN
    RETURN 'ERASED';
  ELSIF clock_timestamp() > admitted_at + valid_ms * interval '1 ms' THEN
    RETURN 'LATE';
  END IF;
  RETURN 'ADMITTED';
END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION "admit_write_by_row"');
    await runner.query('DROP TABLE "installation"');
    await runner.query('DROP TABLE "locks"');
  }
}
