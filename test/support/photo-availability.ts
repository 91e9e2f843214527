import { newId } from '../../src/core/ids';
import type { Sql } from '../../src/core/sql';
import { publicUrl } from './job-process';

/** A record of a gateway that serves photos. Times are PostgreSQL's intervals from now, like `-1 h`. */
interface ServingPeriod {
  since?: string;
  seen?: string;
  /** When a photo could not be served. */
  interrupted?: string | null;
  url?: string;
}

/** Records that a gateway serves photos, as gateways do themselves; by default at all times. */
export async function servePhotos(
  sql: Sql,
  { since = '-10 y', seen = '1 y', interrupted = null, url = publicUrl }: ServingPeriod = {},
): Promise<void> {
  await sql.rows(
    `INSERT INTO photo_servers (id, public_url, serving_since, last_seen_at, interrupted_at)
     VALUES ($1, $2, now() + $3::interval, now() + $4::interval, now() + $5::interval)`,
    [newId(), url, since, seen, interrupted],
  );
}
