import { newId, toGlobalId } from '../../src/core/ids';
import type { Sql } from '../../src/core/sql';
import { createOwnerStream } from '../../src/events/owner-stream.repository';

/** Inserts a webhook of the local owner; returns its global id. */
export async function insertWebhook(sql: Sql, url: string): Promise<string> {
  const id = newId();
  await createOwnerStream(sql, 'local');
  await sql.rows(
    `INSERT INTO webhooks (id, owner, url, event_types, secret, owner_stream_id, position)
     SELECT $1, 'local', $2, '{}', '', id, sequence FROM owner_streams WHERE owner = 'local'`,
    [id, url],
  );
  return toGlobalId('Webhook', id);
}
