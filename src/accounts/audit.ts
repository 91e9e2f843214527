import { newId } from '../core/ids';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';

/** What is written down: whatever costs money, deletes, or opens the door. */
export type AuditedAction =
  | 'trainModel'
  | 'generateAvatars'
  | 'generateInstantAvatars'
  | 'retryModel'
  | 'retryGeneration'
  | 'deletePhoto'
  | 'deleteModel'
  | 'deleteGeneration'
  | 'deleteAvatar'
  | 'deleteMyData'
  | 'exportMyData'
  | 'createKey'
  | 'revokeKey';

/** One thing that was done. */
export interface AuditEntry {
  readonly action: AuditedAction;
  /** What it was done to: a global id, or a key's id. */
  readonly subject: string | null;
  /** Counts and codes only. No prompt, no URL, no name, no address: the log outlives the data. */
  readonly details?: Readonly<Record<string, string | number | boolean | null>>;
}

/**
 * Writes down what a viewer does, in the transaction that does it: so there is no deed without its entry, and no entry
 * of a deed that was rolled back. A repetition by idempotency key does nothing and has no entry.
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

function actorOf({ actor, keyId, owner }: Viewer): string {
  return actor ?? (keyId === undefined ? owner : `key:${keyId}`);
}

/**
 * Forgets entries older than the given age.
 * @returns how many, at most 5,000 a call
 */
export async function pruneAudit(sql: Sql, olderThanMs: number): Promise<number> {
  const gone = await sql.rows(
    `DELETE FROM audit_log WHERE id IN
       (SELECT id FROM audit_log WHERE at < now() - $1 * interval '1 ms' ORDER BY at LIMIT 5000)
     RETURNING id`,
    [olderThanMs],
  );
  return gone.length;
}
