import { erasedOwner, inBatches, type Person } from '../core/person';
import type { Sql } from '../core/sql';

/** How many rows of a table are changed in one transaction. */
const rowsAtOnce = 5_000;

/** What a person's account leaves in tables that hold no pictures: erased, or handed out. */
export class PersonalAccountService {
  /**
   * @param keepsCounts - whether the day's counts outlive an erasure, because quotas are set and could be evaded
   * otherwise: how many trainings and avatars were asked for since yesterday, as one row a day, and nothing else
   */
  constructor(private readonly keepsCounts: boolean) {}

  /**
   * Erases keys of repetition and what was booked, and takes the person's name from the audit log. After the jobs.
   * @returns how many rows were found; 0: there is nothing left
   */
  async eraseSome(sql: Sql, person: Person): Promise<number> {
    const keys = await this.forgetKeys(sql, person);
    const bookings = await this.forgetBookings(sql, person);
    return keys + bookings + (await this.leaveAuditLog(sql, person));
  }

  /** What was done in the person's name, the oldest first. */
  audit(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
    return inBatches<{ id: string }>((last, limit) =>
      sql.rows(
        `SELECT id, at, actor, action, subject, details FROM audit_log
          WHERE owner = $1 AND at <= $2 AND ($3::uuid IS NULL OR id > $3) ORDER BY id LIMIT $4`,
        [owner, until, last?.id ?? null, limit],
      ),
    );
  }

  /** The keys of repetition that are kept. */
  keys(sql: Sql, { owner, until }: Person): AsyncGenerator<object> {
    return inBatches<{ key: string }>((last, limit) =>
      sql.rows(
        `SELECT key, operation, created_at AS "createdAt" FROM idempotency_keys
          WHERE owner = $1 AND created_at <= $2 AND ($3::text IS NULL OR key > $3) ORDER BY key LIMIT $4`,
        [owner, until, last?.key ?? null, limit],
      ),
    );
  }

  /** The API keys that stand for the person, without their secrets. */
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

  /** What was booked of the person's quotas since yesterday. */
  bookings(sql: Sql, { owner }: Person): AsyncGenerator<object> {
    return inBatches<{ id: string }>((last, limit) =>
      sql.rows(
        `SELECT id, day::text, trainings, avatars, returned_at AS "returnedAt" FROM quota_reservations
          WHERE owner = $1 AND ($2::uuid IS NULL OR id > $2) ORDER BY id LIMIT $3`,
        [owner, last?.id ?? null, limit],
      ),
    );
  }

  private async forgetKeys(sql: Sql, { owner, until }: Person): Promise<number> {
    const gone = await sql.rows(
      `DELETE FROM idempotency_keys WHERE (owner, key) IN
         (SELECT owner, key FROM idempotency_keys WHERE owner = $1 AND created_at <= $2 LIMIT $3)
       RETURNING key`,
      [owner, until, rowsAtOnce],
    );
    return gone.length;
  }

  /**
   * A row whose job is gone says what was asked for and, by its job, when. What must be kept of it are sums; a sum has
   * no job and names itself in that place.
   */
  private async forgetBookings(sql: Sql, { owner }: Person): Promise<number> {
    const [forgotten] = await sql.rows<{ count: number }>(
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
    return forgotten!.count;
  }

  private async leaveAuditLog(sql: Sql, { owner, until }: Person): Promise<number> {
    const left = await sql.rows(
      `UPDATE audit_log SET owner = $3, actor = CASE WHEN actor = owner THEN $3 ELSE actor END, subject = NULL
        WHERE id IN (SELECT id FROM audit_log WHERE owner = $1 AND at <= $2 LIMIT $4)
       RETURNING id`,
      [owner, until, erasedOwner, rowsAtOnce],
    );
    return left.length;
  }
}
