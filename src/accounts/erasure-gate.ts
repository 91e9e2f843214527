import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';

/** How long an erasure of many rows may go on after its mutation has answered, in seconds; a word to clients. */
const patienceSeconds = 5;

/**
 * SQL that is true while an owner's data are being erased: from the commit by which somebody asked for it until the last
 * row is gone. What is opened by a signed URL, and so by nobody's name, asks for this in the statement that finds it.
 * @param owner - SQL for the owner
 */
export function isBeingErased(owner: string): string {
  return `EXISTS (SELECT FROM erasures WHERE erasures.owner = ${owner} AND erasures.completed_at IS NULL)`;
}

/**
 * Keeps an owner out while its data are being erased, so that all of them are gone at once for whoever reads, though
 * their rows go in portions; and nothing new comes between what is erased.
 */
export class ErasureGate {
  constructor(private readonly sql: Sql) {}

  /** @throws DomainError SERVICE_UNAVAILABLE while the owner's data are being erased */
  async admit(owner: string): Promise<void> {
    const [erasing] = await this.sql.rows<{ it: boolean }>(`SELECT ${isBeingErased('$1')} AS it`, [owner]);
    if (!erasing?.it) return;
    throw new DomainError(
      'SERVICE_UNAVAILABLE',
      'Your data are being erased; nothing of them can be read any more. Send the request again in a few seconds.',
      { details: { retryAfterSeconds: patienceSeconds } },
    );
  }
}
