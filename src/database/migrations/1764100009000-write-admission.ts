import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Keeps what an erasure has deleted, or is about to delete, from being written beside it or after it. */
export class WriteAdmission1764100009000 implements MigrationInterface {
  readonly name = 'WriteAdmission1764100009000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('CREATE INDEX "erasures_of_owner" ON "erasures" ("owner") WHERE owner IS NOT NULL');
    // A function, so that it is one round trip: the second statement must not see less than what was committed while
    // the first one waited, and within one statement both would have the same snapshot.
    await runner.query(`CREATE FUNCTION "admit_write"("writer" text, "admitted_at" timestamptz, "known" uuid[], "valid_ms" integer)
RETURNS text LANGUAGE plpgsql VOLATILE SET lock_timeout = '2s' AS $$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(hashtextextended('erasure:' || writer, 0));
  IF EXISTS (SELECT FROM erasures WHERE owner = writer
              AND (completed_at IS NULL OR (known IS NOT NULL AND id <> ALL (known)))) THEN
    RETURN 'ERASED';
  ELSIF clock_timestamp() > admitted_at + valid_ms * interval '1 ms' THEN
    RETURN 'LATE';
  END IF;
  RETURN 'ADMITTED';
END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP FUNCTION "admit_write"');
    await runner.query('DROP INDEX "erasures_of_owner"');
  }
}
