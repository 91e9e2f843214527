import type { Sql } from '../core/sql';
import type { WebhookSecrets } from './webhook-secrets';

const webhooksPerBatch = 500;

/** Encrypts the secrets of all webhooks with the first signing secret, so that the others can be removed. */
export async function renewSecrets(sql: Sql, secrets: WebhookSecrets): Promise<void> {
  if (!secrets.areSeveral) return;
  for (let after: string | null = null; ;) {
    const batch: { id: string; secret: string; oldSecret: string | null }[] = await sql.rows(
      `SELECT id, secret, old_secret AS "oldSecret" FROM webhooks
        WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2`,
      [after, webhooksPerBatch],
    );
    const renewals = batch.flatMap(({ id, secret, oldSecret }) =>
      [secret, oldSecret].flatMap((text) => {
        const renewed = text === null ? null : secrets.renew(text, id);
        return renewed === null ? [] : [{ id, text, renewed }];
      }),
    );
    for (const { id, text, renewed } of renewals) await replaceText(sql, id, text!, renewed);
    after = batch.at(-1)?.id ?? null;
    if (after === null) return;
  }
}

/** A rotation at the same time moves a text from one column to the other, or removes it. */
async function replaceText(sql: Sql, id: string, text: string, renewed: string): Promise<void> {
  await sql.rows(
    `UPDATE webhooks SET secret = CASE WHEN secret = $2 THEN $3 ELSE secret END,
            old_secret = CASE WHEN old_secret = $2 THEN $3 ELSE old_secret END
      WHERE id = $1 AND $2 IN (secret, old_secret)`,
    [id, text, renewed],
  );
}
