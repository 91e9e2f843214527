import { erasedOwner, type DataSubject } from '../core/data-subject';
import { newId, toGlobalId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';

/** Audited actions: everything that costs money, deletes data or grants access; cancellations only by an operator. */
export type AuditedAction =
  | 'trainModel'
  | 'generateAvatars'
  | 'generateInstantAvatars'
  | 'cancelModel'
  | 'cancelGeneration'
  | 'settleUncertain'
  | 'importModel'
  | 'retryModel'
  | 'retryGeneration'
  | 'deletePhoto'
  | 'deleteModel'
  | 'deleteGeneration'
  | 'deleteAvatar'
  | 'deleteMyData'
  | 'exportMyData'
  | 'downloadAvatars'
  | 'createWebhook'
  | 'updateWebhook'
  | 'deleteWebhook'
  | 'rotateWebhookSecret'
  | 'createKey'
  | 'revokeKey'
  | 'createClientToken'
  | 'revokeClientToken';

/** An audited action with its subject. */
export interface AuditEntry {
  readonly action: AuditedAction;
  /** The global id or key id that the action applies to. */
  readonly subject: string | null;
  /** Counts and codes only. No prompts, URLs, names or addresses, because the log outlives the data. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * Records an action in the transaction that performs it, so that an entry exists exactly if the action was committed.
 * A repetition with the same idempotency key is not recorded.
 */
export async function audit(sql: Sql, viewer: Viewer, entry: AuditEntry): Promise<void> {
  await sql.rows(
    `INSERT INTO audit_log (id, actor, owner, action, subject, details) VALUES ($1, $2, $3, $4, $5, $6)`,
    [
      newId(),
      actorOf(viewer),
      viewer.owner,
      entry.action,
      entry.subject,
      JSON.stringify(entry.details ?? {}),
    ],
  );
}

function actorOf({ actor, clientToken, keyId, owner }: Viewer): string {
  if (clientToken) return toGlobalId('ClientToken', clientToken.id);
  return actor ?? (keyId === undefined ? owner : `key:${keyId}`);
}

/**
 * The global ids of photos that were deleted one by one since a time, used by no model, and created after the photo with the
 * given global id, in the order of their creation.
 */
export async function findDeletedPhotos(
  sql: Sql,
  owner: string,
  { sinceMs, after }: { sinceMs: number; after: string },
): Promise<string[]> {
  const rows = await sql.rows<{ subject: string }>(
    `SELECT subject FROM audit_log
      WHERE owner = $1 AND at > now() - $2 * interval '1 ms' AND action = 'deletePhoto'
        AND details->>'isOfModel' IS NULL AND subject COLLATE "C" > $3
      ORDER BY subject COLLATE "C"`,
    [owner, sinceMs, after],
  );
  return rows.map(({ subject }) => subject);
}

/**
 * Deletes entries older than the given age.
 * @returns the number of deleted entries, at most 5,000 per call
 */
export async function pruneAudit(sql: Sql, olderThanMs: number): Promise<number> {
  const deleted = await sql.rows(
    `DELETE FROM audit_log WHERE id IN
       (SELECT id FROM audit_log WHERE at < now() - $1 * interval '1 ms' ORDER BY at LIMIT 5000)
     RETURNING id`,
    [olderThanMs],
  );
  return deleted.length;
}

/** Removes the person from audit log entries, at most `limit`; returns their number. */
export async function anonymizeAuditLog(
  sql: Sql,
  { owner, until }: DataSubject,
  limit: number,
): Promise<number> {
  const updated = await sql.rows(
    `UPDATE audit_log SET owner = $3, actor = CASE WHEN actor = owner THEN $3 ELSE actor END, subject = NULL
      WHERE id IN (SELECT id FROM audit_log WHERE owner = $1 AND at <= $2 LIMIT $4)
     RETURNING id`,
    [owner, until, erasedOwner, limit],
  );
  return updated.length;
}
