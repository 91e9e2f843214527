import type { MigrationInterface, QueryRunner } from 'typeorm';
import { repeatUntilDone, replaceIndexes, validateConstraints } from '../online-changes';

const avatarsAtOnce = 5_000;

/** What `1764300000000-result-positions` and `1764600000000-missing-avatars` leave to do, without locks on whole tables. */
export class Online1764700000002 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'Online1764700000002';

  async up(runner: QueryRunner): Promise<void> {
    await repeatUntilDone(runner, fillAvatars);
    await runner.query(recordUndelivered);
    await validateConstraints(runner, 'avatars', ['avatars_unfinished_is_due', 'avatars_failure_known']);
    await validateConstraints(runner, 'generations', [
      'generations_failed_says_why',
      'generations_running_has_ref',
      'generations_ended_has_ref',
    ]);
    await validateConstraints(runner, 'models', ['models_failed_says_why']);
    await replaceIndexes(runner, watchIndexes(`status IN ('PARTIAL', 'FAILED')`), (text) =>
      text.includes('PARTIAL'),
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of Object.entries(watchIndexes(`status = 'FAILED'`))) {
      await runner.query(`DROP INDEX "${name}"`);
      await runner.query(`CREATE INDEX "${name}" ON ${definition}`);
    }
  }
}

/** Fills the columns of pictures that may still be fetched; those of other pictures are not used. */
const fillAvatars = `UPDATE avatars a
   SET provider_ref = g.provider_ref, answer_index = a.position,
       answer_count = coalesce(g.result_count, (SELECT max(position) + 1 FROM avatars other WHERE other.generation_id = g.id))
  FROM generations g
 WHERE g.id = a.generation_id AND g.provider_ref IS NOT NULL
   AND a.id IN (SELECT unfilled.id FROM avatars unfilled JOIN generations of_it ON of_it.id = unfilled.generation_id
                 WHERE unfilled.provider_ref IS NULL AND of_it.provider_ref IS NOT NULL AND unfilled.status <> 'LOST'
                   AND (unfilled.due_at IS NOT NULL OR unfilled.expires_at > now()) LIMIT ${avatarsAtOnce})
RETURNING a.id`;

/**
 * Pictures that the upstream never delivered, of generations that wait for pictures or have ended without some. The number of
 * entries of an answer is that of the highest position if it is not recorded. A FAILED generation may have pictures that still
 * arrive; without pictures it is left out, since `delivered` is null.
 */
const recordUndelivered = `SELECT record_undelivered(g.id, delivered)
  FROM generations g
 CROSS JOIN LATERAL (SELECT coalesce(g.result_count, max(answer_count) FILTER (WHERE a.provider_ref = g.provider_ref), max(position) + 1) AS delivered
                       FROM avatars a WHERE a.generation_id = g.id) answer
 WHERE g.status IN ('STORING', 'PARTIAL', 'FAILED') AND g.ordered_positions IS NULL AND delivered < g.wanted`;

function watchIndexes(watched: string): Record<string, string> {
  const rows = `WHERE due_at IS NOT NULL AND ${watched}`;
  return {
    generations_watched_due: `"generations" ("due_at") ${rows}`,
    generations_watched_of_owner: `"generations" ("owner", "due_at") ${rows}`,
  };
}
