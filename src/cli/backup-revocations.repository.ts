import { z } from 'zod';
import { erasedOwner } from '../core/data-subject';
import type { Sql } from '../core/sql';

const revoked = z.object({
  id: z.string(),
  revokedAt: z.string(),
  /** Whether an erasure has removed the owner. */
  isErased: z.boolean(),
});

type Revoked = z.output<typeof revoked>;

/** API keys and client tokens that were revoked while a backup was made, and that may be valid in its tables. */
export const lateRevocations = z.object({ keys: z.array(revoked), clientTokens: z.array(revoked) });

/** One of {@link lateRevocations}. */
export type LateRevocations = z.output<typeof lateRevocations>;

/**
 * Finds what was revoked since a snapshot. Some were revoked before: `revoked_at` is the beginning of a transaction, which may
 * have been committed after the snapshot.
 * @param since - the time of the snapshot, by the clock of the database
 */
export async function findRevoked(sql: Sql, since: Date): Promise<LateRevocations> {
  const findIn = (table: string): Promise<Revoked[]> =>
    sql.rows(
      `SELECT id::text AS id, revoked_at::text AS "revokedAt", owner = $2 AS "isErased" FROM ${table}
        WHERE revoked_at IS NOT NULL AND (revoked_at > $1::timestamptz - interval '1 hour' OR owner = $2)`,
      [since, erasedOwner],
    );
  return { keys: await findIn('api_keys'), clientTokens: await findIn('client_tokens') };
}

/** Revokes keys and tokens that a restore has made valid again, and removes the owners that erasures have removed. */
export async function revokeAgain(sql: Sql, { keys, clientTokens }: LateRevocations): Promise<void> {
  await change(sql, 'api_keys', keys, ['name']);
  await change(sql, 'client_tokens', clientTokens, ['model_id', 'generation_id']);
}

async function change(
  sql: Sql,
  table: string,
  revocations: readonly Revoked[],
  erased: readonly string[],
): Promise<void> {
  if (revocations.length === 0) return;
  const cleared = erased.map((name) => `, ${name} = CASE WHEN NOT r."isErased" THEN t.${name} END`);
  await sql.rows(
    `UPDATE ${table} t
        SET revoked_at = coalesce(t.revoked_at, r."revokedAt"), owner = CASE WHEN r."isErased" THEN $2 ELSE t.owner END
            ${cleared.join('')}
       FROM json_to_recordset($1::json) AS r (id text, "revokedAt" timestamptz, "isErased" boolean)
      WHERE t.id::text = r.id`,
    [JSON.stringify(revocations), erasedOwner],
  );
}
