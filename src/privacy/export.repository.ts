import { ArchiveOffers, archiveUrlMs } from '../accounts/archive-offers.repository';
import type { DataSubject } from '../core/data-subject';
import { inBatches } from '../core/iterators';
import type { Sql } from '../core/sql';
import { AvatarEntity } from '../generations/avatar.entity';
import { GenerationEntity } from '../generations/generation.entity';
import { ModelEntity } from '../models/model.entity';
import { PhotoEntity } from '../photos/photo.entity';

/** The download URLs of exports. */
export const exportOffers = new ArchiveOffers('exports');

/** Records a download URL; returns when it expires. */
export async function insertExport(sql: Sql, { id, owner }: { id: string; owner: string }): Promise<Date> {
  const [inserted] = await sql.rows<{ expiresAt: Date }>(
    `INSERT INTO exports (id, owner, expires_at) VALUES ($1, $2, now() + $3 * interval '1 ms') RETURNING expires_at AS "expiresAt"`,
    [id, owner, archiveUrlMs],
  );
  return inserted!.expiresAt;
}

/** The owner of a valid download URL, and the time up to which data are exported. */
export async function findDataSubject(sql: Sql, id: string): Promise<DataSubject | null> {
  const [subject] = await sql.rows<DataSubject>(
    `SELECT owner, now()::text AS until FROM exports
      WHERE id::text = $1 AND ${exportOffers.isValid}`,
    [id],
  );
  return subject ?? null;
}

/** A model with the photos it was trained from, by UUID, in their order. */
export type ModelWithPhotos = ModelEntity & { photoIds: string[] };

/** A person's models, oldest first. */
export function modelsOf(sql: Sql, subject: DataSubject): AsyncGenerator<ModelWithPhotos> {
  const photoIds = `ARRAY(SELECT photo_id FROM model_photos WHERE model_id = models.id ORDER BY position)`;
  const read: ReadRows<ModelWithPhotos> = (...statement) =>
    sql.entities<ModelEntity, { photoIds: string[] }>(ModelEntity, ...statement);
  return rowsOf(read, { table: 'models', columns: `*, ${photoIds} AS "photoIds"` }, subject);
}

/** A person's generations, oldest first. */
export function generationsOf(sql: Sql, subject: DataSubject): AsyncGenerator<GenerationEntity> {
  return rowsOf(
    (...statement) => sql.entities(GenerationEntity, ...statement),
    { table: 'generations' },
    subject,
  );
}

/** A person's photos, oldest first. */
export function photosOf(sql: Sql, subject: DataSubject): AsyncGenerator<PhotoEntity> {
  return rowsOf((...statement) => sql.entities(PhotoEntity, ...statement), { table: 'photos' }, subject);
}

/** The sections of `data.json` about a person's account, without secrets. */
export function accountSections(sql: Sql, subject: DataSubject): Record<string, AsyncIterable<object>> {
  const section: Section = (table) =>
    rowsOf((...statement) => sql.rows<object>(...statement), table, subject);
  return {
    booked: section({
      table: 'quota_reservations',
      columns: `id, day::text, trainings, avatars, returned_at AS "returnedAt"`,
      // Reservations have no time of creation.
      time: `timestamptz '-infinity'`,
    }),
    ledger: section({
      table: 'ledger_entries',
      columns: `id, kind, trim_scale(amount * 0.000001)::text AS amount, currency, job_kind AS "jobKind", job_id AS job, attempt,
                created_at AS "createdAt"`,
    }),
    // Kept by earlier erasures.
    erasedSpending: section({
      table: 'erased_spending',
      columns: `day::text, trim_scale(amount * 0.000001)::text AS amount, currency`,
      time: `timestamptz '-infinity'`,
      ...{ key: 'day', keyType: 'date' },
    }),
    audit: section({
      table: 'audit_log',
      columns: 'id, at, actor, action, subject, details',
      time: 'at',
    }),
    idempotencyKeys: section({
      table: 'idempotency_keys',
      columns: `key, operation, created_at AS "createdAt"`,
      ...{ key: 'key', keyType: 'text' },
    }),
    downloads: section({
      table: 'avatar_downloads',
      columns: `id, created_at AS "createdAt", expires_at AS "expiresAt", cardinality(avatar_ids) AS avatars, variant`,
    }),
    notices: section({ table: 'notices', columns: `id, kind, message, subject, created_at AS "createdAt"` }),
    clientTokens: section({
      table: 'client_tokens',
      columns: `id, scopes, model_id AS "modelId", generation_id AS "generationId", uses_left AS "usesLeft",
              uploads_left AS "uploadsLeft", created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt"`,
    }),
    ...webhookSections(section),
    apiKeys: section({
      table: 'api_keys',
      columns: `id, name, scopes, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
              last_used_at AS "lastUsedAt"`,
      keyType: 'text',
    }),
  };
}

/** A section of `data.json`. */
type Section = (table: ExportedTable) => AsyncIterable<object>;

function webhookSections(section: Section): Record<string, AsyncIterable<object>> {
  return {
    webhooks: section({
      table: 'webhooks',
      columns: `id, url, description, event_types AS "eventTypes", status, disabled_reason AS "disabledReason",
              key_id AS "keyId", created_at AS "createdAt"`,
    }),
    webhookDeliveries: section({
      table: 'webhook_deliveries',
      columns: `id, webhook_id AS "webhookId", event_type AS "eventType", subject_id AS "subjectId", body, status, attempts,
              created_at AS "createdAt"`,
    }),
  };
}

type ReadRows<Row> = (text: string, parameters: readonly unknown[]) => Promise<Row[]>;

interface ExportedTable {
  table: string;
  /** @defaultValue all */
  columns?: string;
  /** SQL: when a row was created. @defaultValue created_at */
  time?: string;
  /** The unique column by which rows are ordered. @defaultValue id */
  key?: string;
  /** @defaultValue uuid */
  keyType?: 'uuid' | 'text' | 'date';
}

function rowsOf<Row extends object>(
  read: ReadRows<Row>,
  { table, columns = '*', time = 'created_at', key = 'id', keyType = 'uuid' }: ExportedTable,
  { owner, until }: DataSubject,
): AsyncGenerator<Row> {
  return inBatches<Row>((last, limit) =>
    read(
      `SELECT ${columns} FROM ${table} WHERE owner = $1 AND ${time} <= $2 AND ($3::${keyType} IS NULL OR ${key} > $3)
        ORDER BY ${key} LIMIT $4`,
      [owner, until, last?.[key as keyof Row] ?? null, limit],
    ),
  );
}

/** A person's stored avatars, by generation and position. Each batch continues both indexes at the end of the previous one. */
export function avatarsOf(sql: Sql, { owner, until }: DataSubject): AsyncGenerator<AvatarEntity> {
  return inBatches<AvatarEntity>((last, limit) =>
    sql.entities(
      AvatarEntity,
      `SELECT a.* FROM generations g JOIN avatars a ON a.generation_id = g.id
        WHERE g.owner = $1 AND a.created_at <= $2 AND a.status = 'STORED'
          AND ($3::uuid IS NULL OR (g.id >= $3 AND (a.generation_id, a.position) > ($3, $4::integer)))
        ORDER BY a.generation_id, a.position LIMIT $5`,
      [owner, until, last?.generationId ?? null, last?.position ?? null, limit],
    ),
  );
}
