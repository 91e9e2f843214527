import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Completes erasures by processes of the version before `1764865000000-owner-streams`, which may run during an upgrade: when
 * the final check removes the owner from an erasure, what that version does not know is removed as well. These are the
 * owner's stream, webhooks, notices and client tokens, and the name in events and in the ledger. Finds nothing after an
 * erasure by this version. The next release drops it.
 */
export class EarlierErasures1764895000001 implements MigrationInterface {
  readonly name = 'EarlierErasures1764895000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE FUNCTION complete_earlier_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH gone AS (DELETE FROM owner_streams WHERE owner = OLD.owner AND created_at <= OLD.erased_at RETURNING id)
  DELETE FROM owner_events USING gone WHERE owner_stream_id = gone.id;
  UPDATE events SET owner = s.owner FROM streams s
   WHERE events.owner = OLD.owner AND s.id = events.stream_id AND s.owner <> OLD.owner;
  UPDATE ledger_entries e SET owner = '@/erased', job_id = CASE WHEN e.due_at IS NOT NULL THEN e.job_id END
    FROM ledger_entries r
   WHERE e.owner = OLD.owner AND r.id = e.reservation_id AND r.created_at <= OLD.erased_at;
  DELETE FROM webhooks WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  DELETE FROM webhook_deliveries d WHERE owner = OLD.owner AND NOT EXISTS (SELECT FROM webhooks w WHERE w.id = d.webhook_id);
  DELETE FROM notices WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  DELETE FROM client_tokens WHERE owner = OLD.owner AND created_at <= OLD.erased_at;
  RETURN NULL;
END $$`);
    await runner.query(`CREATE TRIGGER "erasures_earlier" AFTER UPDATE OF "owner" ON "erasures" FOR EACH ROW
  WHEN (OLD.owner IS NOT NULL AND NEW.owner IS NULL) EXECUTE FUNCTION complete_earlier_erasure()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER "erasures_earlier" ON "erasures"');
    await runner.query('DROP FUNCTION complete_earlier_erasure');
  }
}
