import { erasedOwner, inBatches, type Person } from '../core/person';
import type { Sql } from '../core/sql';

/** Rows of a table that are changed per transaction. */
const maxRowsPerTransaction = 5_000;

/** Erases and exports a person's account data: idempotency keys, quota reservations, audit log, API keys. */
export class PersonalAccountService {
  /**
   * @param keepsCounts - whether daily totals of trainings and avatars since yesterday survive an erasure. Needed if
   * quotas are set, because an erasure could otherwise reset them.
   */
  constructor(private readonly keepsCounts: boolean) {}

  /**
   * Erases idempotency keys and quota reservations, and anonymizes the audit log. Run it after the jobs were erased.
   * @returns the number of processed rows; 0: nothing is left
   */
  async eraseSome(sql: Sql, person: Person): Promise<number> {
    const keys = await this.eraseKeys(sql, person);
    const reservations = await this.eraseReservations(sql, person);
    return keys + reservations + (await this.anonymizeAuditLog(sql, person));
  }

  /** The person's audit log entries, oldest first. */
  audit(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
    return inBatches<{ id: string }>((last, limit) =>
      sql.rows(
        `SELECT id, at, actor, action, subject, details FROM audit_log
          WHERE owner = $1 AND at <= $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      ),
    );
  }

  /** The person's idempotency keys. */
  keys(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
    return inBatches<{ key: string }>((last, limit) =>
      sql.rows(
        `SELECT key, operation, created_at AS "createdAt" FROM idempotency_keys
          WHERE owner = $1 AND created_at <= $2 AND ($3::text IS NULL OR key > $3) ORDER BY key LIMIT $4`,
        [owner, until, last?.key ?? null, limit],
      ),
    );
  }

  /** The person's API keys, without secrets. */
  apiKeys(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
    return inBatches<{ id: string }>((last, limit) =>
      sql.rows(
        `SELECT id, name, scopes, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
                last_used_at AS "lastUsedAt"
           FROM api_keys
          WHERE owner = $1 AND created_at <= $2 AND ($3::text IS NULL OR id > $3) ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      ),
    );
  }

  /** The person's quota reservations since yesterday. */
  bookings(sql: Sql, { owner }: Person): AsyncGenerator<object> {
    return inBatches<{ id: string }>((last, limit) =>
      sql.rows(
        `SELECT id, day::text, trainings, avatars, returned_at AS "returnedAt" FROM quota_reservations
          WHERE owner = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
        [owner, last?.id ?? null, limit],
      ),
    );
  }

  private async eraseKeys(sql: Sql, { owner, until }: Person): Promise<number> {
    const deleted = await sql.rows(
      `DELETE FROM idempotency_keys WHERE (owner, key) IN
         (SELECT owner, key FROM idempotency_keys WHERE owner = $1 AND created_at <= $2 LIMIT $3)
       RETURNING key`,
      [owner, until, maxRowsPerTransaction],
    );
    return deleted.length;
  }

  /**
   * Replaces the reservations of deleted jobs by one total per day, because a reservation and its job id reveal what was
   * requested and when. A total has no job and contains its own id as job id.
   */
  private async eraseReservations(sql: Sql, { owner }: Person): Promise<number> {
    const [result] = await sql.rows<{ count: number }>(
      `WITH gone AS (
         DELETE FROM quota_reservations
          WHERE owner = $1 AND job_id <> id
            AND NOT EXISTS (SELECT FROM models WHERE models.id = job_id)
            AND NOT EXISTS (SELECT FROM generations WHERE generations.id = job_id)
         RETURNING *
       ), sums AS (
         INSERT INTO quota_reservations (id, owner, day, job_id, trainings, avatars)
         SELECT id, $1, day, id, trainings, avatars
           FROM (SELECT day, sum(trainings) AS trainings, sum(avatars) AS avatars, gen_random_uuid() AS id FROM gone
                  WHERE returned_at IS NULL AND $2 GROUP BY day) AS days
       )
       SELECT count(*)::integer AS count FROM gone`,
      [owner, this.keepsCounts],
    );
    return result!.count;
  }

  private async anonymizeAuditLog(sql: Sql, { owner, until }: Person): Promise<number> {
    const updated = await sql.rows(
      `UPDATE audit_log SET owner = $3, actor = CASE WHEN actor = owner THEN $3 ELSE actor END, subject = NULL
        WHERE id IN (SELECT id FROM audit_log WHERE owner = $1 AND at <= $2 LIMIT $4)
       RETURNING id`,
      [owner, until, erasedOwner, maxRowsPerTransaction],
    );
    return updated.length;
  }
}
