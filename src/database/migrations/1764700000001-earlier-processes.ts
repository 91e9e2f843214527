import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Lets processes of the version before `1764600000000-missing-avatars` run beside this one during an upgrade. They write
 * `generations.result_count`, and pictures without the columns that this version reads. The triggers fill these columns, and
 * record the pictures that the answer lacks. The next release drops column, triggers and functions.
 */
export class EarlierProcesses1764700000001 implements MigrationInterface {
  readonly name = 'EarlierProcesses1764700000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE "generations" ADD COLUMN IF NOT EXISTS "result_count" smallint');
    await runner.query(recordUndelivered);
    await runner.query(`CREATE FUNCTION record_earlier_answer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM record_undelivered(NEW.id, NEW.result_count);
  RETURN NULL;
END $$`);
    await runner.query(`CREATE TRIGGER "generations_earlier_answer" AFTER UPDATE OF "result_count" ON "generations"
  FOR EACH ROW WHEN (NEW.result_count IS NOT NULL) EXECUTE FUNCTION record_earlier_answer()`);
    await runner.query(`CREATE FUNCTION complete_earlier_avatar() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  SELECT provider_ref, NEW.position, result_count INTO NEW.provider_ref, NEW.answer_index, NEW.answer_count
    FROM generations WHERE id = NEW.generation_id;
  RETURN NEW;
END $$`);
    await runner.query(`CREATE TRIGGER "avatars_earlier" BEFORE INSERT ON "avatars"
  FOR EACH ROW WHEN (NEW.provider_ref IS NULL AND NEW.status = 'PENDING') EXECUTE FUNCTION complete_earlier_avatar()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER "avatars_earlier" ON "avatars"');
    await runner.query('DROP TRIGGER "generations_earlier_answer" ON "generations"');
    await runner.query('DROP FUNCTION complete_earlier_avatar, record_earlier_answer, record_undelivered');
  }
}

/** Records the requested pictures after the first `delivered` ones as LOST, as `insertAvatars` does. */
const recordUndelivered = `CREATE FUNCTION record_undelivered(generation uuid, delivered integer) RETURNS void LANGUAGE sql AS $$
INSERT INTO avatars (id, owner, generation_id, model_id, position, style, prompt, provider_ref, answer_count, expires_at, status, failure_code)
SELECT gen_random_uuid(), g.owner, g.id, g.model_id, requested.position, requested.style, requested.prompt, g.provider_ref, delivered,
       g.results_expire_at, 'LOST', 'UPSTREAM_FAILED'
  FROM generations g
 CROSS JOIN LATERAL (
   SELECT row_number() OVER (ORDER BY p.ordinality) - 1 AS position, p.value ->> 'style' AS style, p.value ->> 'prompt' AS prompt
     FROM jsonb_array_elements(g.prompts) WITH ORDINALITY AS p, generate_series(1, (p.value ->> 'count')::integer)) requested
 WHERE g.id = generation AND requested.position >= delivered AND requested.position < g.wanted
    ON CONFLICT (generation_id, position) DO NOTHING
$$`;
