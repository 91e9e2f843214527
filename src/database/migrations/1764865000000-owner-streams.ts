import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes, validateConstraints } from '../online-changes';

const kindsBefore = "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'DELETED')";
const kinds = "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'AVATAR_CHANGED', 'DELETED')";

/**
 * The streams of owners, see `docs/adr/0025-owner-streams.md`. Events that exist keep no owner: an owner's stream begins when
 * it is first asked for. The trigger completes the events of processes of earlier versions, which may run during an upgrade;
 * the next release drops it.
 */
export class OwnerStreams1764865000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'OwnerStreams1764865000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      'ALTER TABLE "events" ADD COLUMN IF NOT EXISTS "owner" text, ADD COLUMN IF NOT EXISTS "transaction_id" bigint',
    );
    await runner.query(completeEvent);
    await runner.query(`CREATE OR REPLACE TRIGGER "events_earlier" BEFORE INSERT ON "events"
  FOR EACH ROW WHEN (NEW.owner IS NULL) EXECUTE FUNCTION complete_earlier_event()`);
    await runner.query(`ALTER TABLE "events" DROP CONSTRAINT IF EXISTS "events_kind_known",
  ADD CONSTRAINT "events_kind_known" CHECK (${kinds}) NOT VALID`);
    await validateConstraints(runner, 'events', ['events_kind_known']);
    await createIndexes(runner, { events_of_owner: '"events" ("owner", "transaction_id")' });
    await runner.query(`CREATE TABLE IF NOT EXISTS "owner_streams" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "sequence" bigint NOT NULL DEFAULT 0,
  "complete_from" bigint NOT NULL DEFAULT 1,
  "numbered_until" text NOT NULL,
  "numbered_at" timestamptz NOT NULL DEFAULT now(),
  "created_at" timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT "owner_streams_pkey" PRIMARY KEY ("id")
)`);
    await runner.query(
      'CREATE UNIQUE INDEX IF NOT EXISTS "owner_streams_owner" ON "owner_streams" ("owner")',
    );
    await runner.query(`CREATE TABLE IF NOT EXISTS "owner_events" (
  "owner_stream_id" uuid NOT NULL,
  "sequence" bigint NOT NULL,
  "stream_id" uuid NOT NULL,
  "stream_sequence" bigint NOT NULL,
  "created_at" timestamptz NOT NULL,
  CONSTRAINT "owner_events_pkey" PRIMARY KEY ("owner_stream_id", "sequence")
)`);
    await runner.query('CREATE INDEX IF NOT EXISTS "owner_events_old" ON "owner_events" ("created_at")');
  }

  /** The cursors of `activity` are lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE IF EXISTS "owner_events", "owner_streams"');
    await runner.query('DROP TRIGGER IF EXISTS "events_earlier" ON "events"');
    await runner.query('DROP FUNCTION IF EXISTS complete_earlier_event');
    await runner.query(
      `UPDATE "events" SET kind = 'DELETED', payload = '{"erased": true}' WHERE kind = 'AVATAR_CHANGED'`,
    );
    await runner.query(`ALTER TABLE "events" DROP CONSTRAINT IF EXISTS "events_kind_known",
  ADD CONSTRAINT "events_kind_known" CHECK (${kindsBefore})`);
    await runner.query(
      'ALTER TABLE "events" DROP COLUMN IF EXISTS "owner", DROP COLUMN IF EXISTS "transaction_id"',
    );
  }
}

const completeEvent = `CREATE OR REPLACE FUNCTION complete_earlier_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT owner, pg_current_xact_id()::text::bigint INTO NEW.owner, NEW.transaction_id FROM streams WHERE id = NEW.stream_id;
  RETURN NEW;
END $$`;
