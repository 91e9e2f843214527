import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import { lockQuotas } from './quota.repository';
import { isBeingErased } from './write-admission.repository';

/** The lifetime of a download URL, and how long a download may continue after it, in milliseconds. */
export const archiveUrlMs = 3_600_000;
const maxServeMs = 86_400_000;

/** The maximum number of valid download URLs per owner. */
const maxOffers = 10;

/**
 * The download URLs of one kind of archive. Their table has the columns `id`, `owner` and `expires_at`.
 */
export class ArchiveOffers {
  /** @param noun - the archive's name in messages, after "download URLs" */
  constructor(
    private readonly table: 'exports' | 'avatar_downloads',
    private readonly noun = '',
  ) {}

  /** SQL: whether a row's URL is valid. */
  get isValid(): string {
    return `${this.table}.expires_at > now() AND NOT ${isBeingErased(`${this.table}.owner`)}`;
  }

  /**
   * Until the transaction ends, no other one counts the URLs of the owner.
   * @throws DomainError RATE_LIMITED if {@link maxOffers} URLs of the owner are valid already
   */
  async requireFree(sql: Sql, owner: string): Promise<void> {
    await lockQuotas(sql, owner);
    const [offers] = await sql.rows<{ count: number; seconds: number }>(
      `SELECT count(*)::integer AS count, ceil(extract(epoch FROM min(expires_at) - now()))::integer AS seconds
         FROM ${this.table} WHERE owner = $1 AND expires_at > now()`,
      [owner],
    );
    const { count, seconds } = offers!;
    if (count < maxOffers) return;
    throw new DomainError(
      'RATE_LIMITED',
      `You already have ${maxOffers} valid download URLs${this.noun}. Use one of them, or retry when one has expired.`,
      { details: { maximum: maxOffers, retryAfterSeconds: seconds } },
    );
  }

  /** Whether the owner's data are kept. Does not check the expiry of the URL, since a download may outlast it. */
  async isKept(sql: Sql, id: string): Promise<boolean> {
    const { table } = this;
    const rows = await sql.rows(
      `SELECT id FROM ${table} WHERE id = $1 AND NOT ${isBeingErased(`${table}.owner`)}`,
      [id],
    );
    return rows.length > 0;
  }

  /** Deletes the owner's download URLs, which ends downloads. */
  async delete(sql: Sql, owner: string): Promise<void> {
    await sql.rows(`DELETE FROM ${this.table} WHERE owner = $1`, [owner]);
  }

  /**
   * Deletes download URLs that expired a day ago, when their downloads have ended.
   * @returns the number of deleted rows, at most 1,000 per call
   */
  async prune(sql: Sql): Promise<number> {
    const { table } = this;
    const gone = await sql.rows(
      `DELETE FROM ${table}
        WHERE id IN (SELECT id FROM ${table} WHERE expires_at < now() - $1 * interval '1 ms' LIMIT 1000)
       RETURNING id`,
      [maxServeMs],
    );
    return gone.length;
  }
}
