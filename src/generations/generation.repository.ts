import type { ConsentColumns } from '../accounts/consent';
import { dueAt } from '../core/due';
import type { InputId } from '../core/ids';
import { hasAnyOf, isAnyOf, isCreatedIn, isNode, type CreatedRange } from '../core/list-conditions';
import type { ListTable } from '../core/list-statements';
import { snakeName, type Sql } from '../core/sql';
import { streamPosition, type StreamPosition } from '../events/event-log.repository';
import type { OwnedKey } from '../events/present-rows';
import { computedJobColumns } from '../jobs/job-row.repository';
import { queueDeadlineMs } from '../jobs/job.kind';
import { laterThan } from '../jobs/job.repository';
import type { QueueColumns } from '../jobs/queue-options';
import { GenerationEntity, type PromptRow } from './generation.entity';
import { avatarPayload, generationKind, type PresentGeneration } from './generation.kind';
import { generationStatuses, type GenerationStatus } from './generation.state';

/** A new generation. */
export type NewGeneration = ConsentColumns &
  Pick<GenerationEntity, 'id' | 'owner' | 'provider' | 'modelId' | 'photoId' | 'wanted'> &
  QueueColumns & {
    prompts: readonly PromptRow[];
  };

/** Maximum number of stored avatars that a subscription starts with. */
const maxPresentAvatars = 100;

/** Inserts a QUEUED generation. */
export async function insertGeneration(sql: Sql, row: NewGeneration): Promise<GenerationEntity> {
  const [generation] = await sql.entities(
    GenerationEntity,
    `INSERT INTO generations
       (id, owner, provider, model_id, photo_id, prompts, wanted, consent_version, consent_at, due_at, deadline_at, start_by, queue_rank)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), now() + $10 * interval '1 ms', $11, $12) RETURNING *`,
    [
      ...[row.id, row.owner, row.provider, row.modelId, row.photoId, JSON.stringify(row.prompts), row.wanted],
      ...[row.consentVersion, row.consentAt, queueDeadlineMs, row.startBy, row.queueRank],
    ],
  );
  return generation!;
}

/** The owner's model, which cannot be deleted before the end of the transaction. */
export async function holdModel(
  sql: Sql,
  owner: string,
  id: string,
): Promise<{ status: string; provider: string } | null> {
  const [model] = await sql.rows<{ status: string; provider: string }>(
    'SELECT status, provider FROM models WHERE id = $1 AND owner = $2 FOR SHARE',
    [id, owner],
  );
  return model ?? null;
}

/** The upstream's id of a model; null if it has none or does not exist. */
export async function modelRefOf(sql: Sql, modelId: string): Promise<string | null> {
  const [model] = await sql.rows<{ ref: string | null }>(
    'SELECT provider_ref AS ref FROM models WHERE id = $1',
    [modelId],
  );
  return model?.ref ?? null;
}

/** Which generations. All conditions hold; null or absent: any. */
export interface GenerationFilter {
  readonly statuses?: readonly GenerationStatus[] | null;
  readonly model?: InputId | null;
  /** Of at least one prompt. */
  readonly styles?: readonly string[] | null;
  readonly created?: CreatedRange | null;
}

/** The lists of generations. */
export const generationTable: ListTable<PresentGeneration, GenerationFilter> = {
  entity: GenerationEntity,
  table: 'generations',
  computed: computedJobColumns(generationKind),
  indexed: { status: generationStatuses },
  conditionsOf: ({ statuses, model, styles, created }) => [
    ...isAnyOf('status', statuses, 'filter.statuses'),
    ...isNode('model_id', model),
    ...hasAnyOf('styles', styles, 'filter.styles'),
    ...isCreatedIn(created, 'filter.created'),
  ],
};

/** The newest stored avatars and the position of their stream, read in one statement. */
export interface PresentAvatars extends StreamPosition {
  /** Payloads of {@link avatarPayload}, in the order of their ids. */
  avatars: Record<string, unknown>[];
}

const avatarFields = avatarPayload.properties
  .map((name) => `'${name}', newest.${snakeName(name)}`)
  .join(', ');

const presentAvatars = (column: 'generation_id' | 'model_id', id: string): string => `
  ${streamPosition},
  (SELECT coalesce(jsonb_agg(jsonb_build_object(${avatarFields}) ORDER BY newest.id), '[]')
     FROM (SELECT * FROM avatars WHERE ${column} = ${id} AND status = 'STORED' ORDER BY id DESC LIMIT ${maxPresentAvatars}) newest) AS avatars`;

/** The generations of several owners with their stored avatars, in any order, read in one statement. */
export function findGenerationsInStreams(
  sql: Sql,
  keys: readonly OwnedKey[],
): Promise<(GenerationEntity & PresentAvatars)[]> {
  return sql.entities<GenerationEntity, PresentAvatars>(
    GenerationEntity,
    `SELECT g.*, ${presentAvatars('generation_id', 'g.id')}
       FROM unnest($1::uuid[], $2::text[]) AS k (id, owner) JOIN generations g ON g.id = k.id AND g.owner = k.owner
            JOIN streams s ON s.id = coalesce(g.model_id, g.id)`,
    [keys.map(({ id }) => id), keys.map(({ owner }) => owner)],
  );
}

/** The stored avatars of several owners' models, in any order, read in one statement. */
export function findAvatarsInStreams(
  sql: Sql,
  keys: readonly OwnedKey[],
): Promise<(OwnedKey & PresentAvatars)[]> {
  return sql.rows<OwnedKey & PresentAvatars>(
    `SELECT m.id, m.owner, ${presentAvatars('model_id', 'm.id')}
       FROM unnest($1::uuid[], $2::text[]) AS k (id, owner) JOIN models m ON m.id = k.id AND m.owner = k.owner
            JOIN streams s ON s.id = m.id`,
    [keys.map(({ id }) => id), keys.map(({ owner }) => owner)],
  );
}

/** When the next generation whose pictures are being fetched is due. */
export const storingDue = dueAt(
  "(SELECT min(due_at) FROM generations WHERE due_at IS NOT NULL AND status = 'STORING')",
);

/** Records that the pictures of a generation have changed. */
export async function touchGeneration(sql: Sql, id: string): Promise<void> {
  await sql.rows(`UPDATE generations SET updated_at = ${laterThan('updated_at')} WHERE id = $1`, [id]);
}

const isStoringDue = "due_at IS NOT NULL AND due_at <= now() AND status = 'STORING'";

/** Locks generations whose pictures may all be settled, at most 50. */
export function lockStoring(sql: Sql): Promise<Pick<GenerationEntity, 'id' | 'modelId'>[]> {
  return sql.rows(
    `SELECT id, model_id AS "modelId" FROM generations
      WHERE id = ANY(ARRAY(SELECT id FROM generations WHERE ${isStoringDue} ORDER BY due_at LIMIT 50)) AND ${isStoringDue}
      ORDER BY id FOR UPDATE ${sql.engine.skipLocked}`,
  );
}

/** The UUIDs of a model's generations. */
export async function idsOfModel(sql: Sql, modelId: string): Promise<string[]> {
  const rows = await sql.rows<{ id: string }>('SELECT id FROM generations WHERE model_id = $1', [modelId]);
  return rows.map(({ id }) => id);
}
