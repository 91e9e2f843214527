import { newId, readGlobalId, toGlobalId } from '../core/ids';
import { holdLock, type Sql } from '../core/sql';
import { appendEvents, openStream } from '../events/event-log.repository';
import { eventOf } from '../jobs/job-event';
import { findJob } from '../jobs/job-row.repository';
import { ModelEntity } from '../models/model.entity';
import { modelKind } from '../models/model.kind';
import type { RegisterLine } from './register-lines';

const rowsAtOnce = 500;

/** The models that the avatar service has accepted and that may be of use, the oldest first, in batches. */
export async function* registeredModels(sql: Sql, owner: string | null): AsyncGenerator<RegisterLine[]> {
  for (let last = '00000000-0000-0000-0000-000000000000'; ;) {
    const rows = await sql.rows<RegisterLine & { id: string }>(
      `SELECT 'model' AS kind, m.id, m.owner, m.provider, m.provider_ref AS "providerRef", m.status, m.type, m.name,
              m.photo_count AS "photoCount", m.created_at AS "createdAt", m.ready_at AS "readyAt",
              (SELECT coalesce(json_agg(a.sha256 ORDER BY a.id), '[]') FROM avatars a
                WHERE a.model_id = m.id AND a.status = 'STORED') AS "avatarHashes"
         FROM models m
        WHERE m.id > $1 AND m.provider_ref IS NOT NULL AND m.status IN ('READY', 'TRAINING') AND ($2::text IS NULL OR m.owner = $2)
        ORDER BY m.id LIMIT ${rowsAtOnce}`,
      [last, owner],
    );
    if (rows.length === 0) return;
    last = rows.at(-1)!.id;
    yield rows.map((row) => ({ ...row, id: toGlobalId('AvatarModel', row.id) }));
  }
}

/** Waits until no other transaction imports, so that both do not add the same models. */
export function awaitOtherImports(sql: Sql): Promise<void> {
  return holdLock(sql, 'register', '');
}

/** A model that the database has already. */
interface KnownModel {
  readonly id: string;
  readonly owner: string;
}

/** The model with the id of the avatar service; null if it is unknown. */
export async function findRegistered(
  sql: Sql,
  { provider, providerRef }: RegisterLine,
): Promise<KnownModel | null> {
  const [model] = await sql.rows<KnownModel>(
    'SELECT id, owner FROM models WHERE provider = $1 AND provider_ref = $2',
    [provider, providerRef],
  );
  return model ? { ...model, id: toGlobalId('AvatarModel', model.id) } : null;
}

/** The model with a global id; null if it does not exist. */
export function findModel(sql: Sql, globalId: string): Promise<ModelEntity | null> {
  return findJob(sql, modelKind, readGlobalId(globalId)!.id);
}

/** Whether events of an object with this global id are kept although it was deleted. */
export async function hasStream(sql: Sql, globalId: string): Promise<boolean> {
  const rows = await sql.rows('SELECT FROM streams WHERE id = $1', [readGlobalId(globalId)!.id]);
  return rows.length > 0;
}

/**
 * The global ids of those models that were deleted here, that have failed, or that have another id at the avatar service since a
 * retry.
 */
export async function findOutdated(
  sql: Sql,
  models: readonly { id: string; providerRef: string }[],
): Promise<Set<string>> {
  const rows = await sql.rows<{ id: string }>(
    `SELECT id FROM streams WHERE id = ANY($1) AND ended_at IS NOT NULL
     UNION ALL
     SELECT m.id FROM unnest($1::uuid[], $2::text[]) AS former(id, ref) JOIN models m USING (id)
      WHERE m.status NOT IN ('READY', 'TRAINING') OR m.provider_ref IS DISTINCT FROM former.ref`,
    [models.map(({ id }) => readGlobalId(id)!.id), models.map(({ providerRef }) => providerRef)],
  );
  return new Set(rows.map(({ id }) => toGlobalId('AvatarModel', id)));
}

/**
 * Inserts a model that was paid for elsewhere, with its stream and first event. A model in training is polled at once.
 * @param deadlineMs - how long it may train from now on
 * @returns its global id
 */
export async function insertRegistered(sql: Sql, line: RegisterLine, deadlineMs: number): Promise<string> {
  const id = line.id === undefined ? newId() : readGlobalId(line.id)!.id;
  const isReady = line.status === 'READY';
  const createdAt = line.createdAt ?? line.readyAt ?? new Date().toISOString();
  await openStream(sql, id, line.owner);
  const [model] = await sql.entities(
    ModelEntity,
    `INSERT INTO models (id, owner, provider, provider_ref, status, progress, attempt, type, name, photo_count, created_at,
                         submitted_at, ready_at, due_at, deadline_at)
     VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $10, $11, CASE WHEN $12 THEN NULL ELSE now() END,
             CASE WHEN $12 THEN NULL ELSE now() + $13 * interval '1 ms' END)
     RETURNING *`,
    [
      ...[
        id,
        line.owner,
        line.provider,
        line.providerRef,
        line.status,
        isReady ? 100 : 0,
        line.type,
        line.name,
      ],
      ...[line.photoCount, createdAt, isReady ? (line.readyAt ?? createdAt) : null, isReady, deadlineMs],
    ],
  );
  await appendEvents(sql, [eventOf(modelKind, model!)]);
  return toGlobalId('AvatarModel', id);
}
