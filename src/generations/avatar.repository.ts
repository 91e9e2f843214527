import { isBeingErased } from '../accounts/write-admission.repository';
import type { InputId } from '../core/ids';
import { isAnyOf, isCreatedIn, isFlag, isNode, type CreatedRange } from '../core/list-conditions';
import { isOwnedBy, type ListTable } from '../core/list-statements';
import { textList, type Sql } from '../core/sql';
import type { OwnedKey } from '../events/present-rows';
import type { JobKind } from '../jobs/job.kind';
import { scheduleDeletion } from '../storage/media-deletion.repository';
import { AvatarEntity, avatarKeys, type AvatarBytes } from './avatar.entity';
import { missingAvatarStates, unfinishedAvatarStates } from './avatar.state';
import { deleteRenditionsOf } from './rendition.repository';

/** SQL that selects an owner's stored avatar by its id, or several by `ANY`. */
export function selectAvatar(id: string, owner: string): string {
  return `SELECT * FROM avatars WHERE id = ${id} AND owner = ${owner} AND status = 'STORED'`;
}

/** SQL that selects the stored avatars of a generation by position, or those of several by `ANY`. */
export function selectAvatarsOfGeneration(generationId: string, owner: string, columns = '*'): string {
  return `SELECT ${columns} FROM avatars WHERE generation_id = ${generationId} AND ${isOwnedBy(owner)} AND status = 'STORED'
           ORDER BY generation_id, position`;
}

/** SQL that selects the newest stored avatar of a model. */
export function selectNewestAvatarOfModel(modelId: string, owner: string, columns = '*'): string {
  return `SELECT ${columns} FROM avatars WHERE model_id = ${modelId} AND ${isOwnedBy(owner)} AND status = 'STORED'
           ORDER BY id DESC LIMIT 1`;
}

/** The owner's stored avatars with the given ids, in their order; null for those that do not exist or are not stored. */
export async function findAvatars(
  sql: Sql,
  owner: string,
  ids: readonly string[],
): Promise<(AvatarEntity | null)[]> {
  const rows = await sql.entities(AvatarEntity, selectAvatar('ANY($1)', '$2'), [ids, owner]);
  const avatars = new Map(rows.map((avatar) => [avatar.id, avatar]));
  return ids.map((id) => avatars.get(id) ?? null);
}

/** The stored avatars of several owners, in any order. */
export function findOwnedAvatars(sql: Sql, keys: readonly OwnedKey[]): Promise<AvatarEntity[]> {
  return sql.entities(
    AvatarEntity,
    `SELECT avatars.*
       FROM unnest($1::uuid[], $2::text[]) AS k (id, owner) JOIN avatars ON avatars.id = k.id AND avatars.owner = k.owner
      WHERE avatars.status = 'STORED'`,
    [keys.map(({ id }) => id), keys.map(({ owner }) => owner)],
  );
}

/** The newest stored avatar of each model that has one; one statement. */
export function newestAvatarsOfModels(
  sql: Sql,
  owner: string,
  modelIds: readonly string[],
): Promise<AvatarEntity[]> {
  return sql.entities(
    AvatarEntity,
    `SELECT a.* FROM unnest($1::uuid[]) AS m(id)
      CROSS JOIN LATERAL (${selectNewestAvatarOfModel('m.id', '$2')}) a`,
    [modelIds, owner],
  );
}

/** The stored avatar, of any owner; null while its owner's data are being erased. */
export async function findServed(sql: Sql, id: string): Promise<AvatarEntity | null> {
  const [avatar] = await sql.entities(
    AvatarEntity,
    `SELECT * FROM avatars WHERE id = $1 AND status = 'STORED' AND NOT ${isBeingErased('avatars.owner')}`,
    [id],
  );
  return avatar ?? null;
}

/**
 * The stored avatars of generations, by generation and position.
 * @param first - how many of each generation, from the first on; null: all
 */
export function listAvatarsOfGenerations(
  sql: Sql,
  owner: string,
  generationIds: readonly string[],
  first: number | null = null,
): Promise<AvatarEntity[]> {
  if (first === null)
    return sql.entities(AvatarEntity, selectAvatarsOfGeneration('ANY($1)', '$2'), [generationIds, owner]);
  return sql.entities(
    AvatarEntity,
    `SELECT a.* FROM unnest($1::uuid[]) AS g(id)
      CROSS JOIN LATERAL (${selectAvatarsOfGeneration('g.id', '$2')} LIMIT $3) a ORDER BY a.generation_id, a.position`,
    [generationIds, owner, first],
  );
}

/** SQL: the number of stored avatars of a generation. Both parameters are SQL. */
export function avatarCountOf(generationId: string, owner: string): string {
  return `(SELECT count(*)::int FROM avatars
            WHERE generation_id = ${generationId} AND ${isOwnedBy(owner)} AND status = 'STORED')`;
}

/** The number of stored avatars of each generation, in the order of the ids. */
export async function countAvatarsOfGenerations(
  sql: Sql,
  owner: string,
  generationIds: readonly string[],
): Promise<number[]> {
  const rows = await sql.rows<{ count: number }>(
    `SELECT ${avatarCountOf('g.id', '$2')} AS count FROM unnest($1::uuid[]) WITH ORDINALITY AS g(id, n) ORDER BY g.n`,
    [generationIds, owner],
  );
  return rows.map(({ count }) => count);
}

/** A requested picture that is not stored. */
export type MissingAvatar = Pick<AvatarEntity, 'generationId' | 'position' | 'status' | 'failureCode'>;

/** SQL: the pictures of a generation that {@link listMissing} returns, as a JSON array. All parameters are SQL. */
export function missingOfGeneration(generationId: string, wanted: string, owner: string): string {
  return `(SELECT coalesce(json_agg(json_build_object('position', position, 'status', status, 'failureCode', failure_code) ORDER BY position), '[]')
             FROM avatars WHERE generation_id = ${generationId} AND ${isOwnedBy(owner)}
              AND status IN (${textList(missingAvatarStates)}) AND position < ${wanted})`;
}

/** The requested pictures of generations that are lost, or for which they no longer wait. */
export function listMissing(
  sql: Sql,
  owner: string,
  generationIds: readonly string[],
): Promise<MissingAvatar[]> {
  if (generationIds.length === 0) return Promise.resolve([]);
  return sql.rows(
    `SELECT a.generation_id AS "generationId", a.position, a.status, a.failure_code AS "failureCode"
       FROM avatars a JOIN generations g ON g.id = a.generation_id
      WHERE a.generation_id = ANY($1) AND a.owner = $2 AND a.status IN (${textList(missingAvatarStates)}) AND a.position < g.wanted
      ORDER BY a.generation_id, a.position`,
    [generationIds, owner],
  );
}

/** Which avatars. All conditions hold; null or absent: any. */
export interface AvatarFilter {
  readonly model?: InputId | null;
  readonly generation?: InputId | null;
  readonly styles?: readonly string[] | null;
  readonly favorite?: boolean | null;
  readonly created?: CreatedRange | null;
}

/** The lists of stored avatars. */
export const avatarTable: ListTable<AvatarEntity, AvatarFilter> = {
  entity: AvatarEntity,
  table: 'avatars',
  visible: "status = 'STORED'",
  indexed: { style: null, favorite: [true, false] },
  conditionsOf: ({ model, generation, styles, favorite, created }) => [
    ...isNode('model_id', model),
    ...isNode('generation_id', generation),
    ...isAnyOf('style', styles, 'filter.styles'),
    ...isFlag('favorite', favorite),
    ...isCreatedIn(created, 'filter.created'),
  ],
};

/**
 * Marks the owner's stored avatars as favorites, or removes the mark.
 * @returns those that exist, and the ids of those that were changed, in any order
 */
export async function markFavorites(
  sql: Sql,
  owner: string,
  ids: readonly string[],
  favorite: boolean,
): Promise<{ avatars: AvatarEntity[]; changedIds: string[] }> {
  // Locked in one order, which prevents deadlocks of concurrent calls.
  await sql.rows('SELECT 1 FROM avatars WHERE id = ANY($1) AND owner = $2 ORDER BY id FOR UPDATE', [
    ids,
    owner,
  ]);
  const changed = await sql.rows<{ id: string }>(
    'UPDATE avatars SET favorite = $3 WHERE id = ANY($1) AND owner = $2 AND favorite <> $3 RETURNING id',
    [ids, owner, favorite],
  );
  const avatars = await sql.entities(AvatarEntity, selectAvatar('ANY($1)', '$2'), [ids, owner]);
  return { avatars, changedIds: changed.map(({ id }) => id) };
}

/** The generation of the owner's avatar, which must be locked before the avatar is changed. */
export async function generationOf(sql: Sql, owner: string, id: string): Promise<string | null> {
  const [avatar] = await sql.rows<{ generation: string }>(
    'SELECT generation_id AS generation FROM avatars WHERE id = $1 AND owner = $2',
    [id, owner],
  );
  return avatar?.generation ?? null;
}

/** Locks the owner's avatar, if it exists, against changes of its mark. */
export async function lockAvatar(sql: Sql, owner: string, id: string): Promise<void> {
  await sql.rows('SELECT 1 FROM avatars WHERE id = $1 AND owner = $2 FOR UPDATE', [id, owner]);
}

/** Deletes the owner's avatar with its bytes; returns null if it does not exist. */
export async function deleteAvatar(sql: Sql, owner: string, id: string): Promise<AvatarEntity | null> {
  const text = 'DELETE FROM avatars WHERE id = $1 AND owner = $2 RETURNING *';
  const [avatar] = await sql.entities(AvatarEntity, text, [id, owner]);
  if (!avatar) return null;
  await scheduleDeletion(sql, avatarKeys(avatar));
  await deleteRenditionsOf(sql, [id]);
  return avatar;
}

/**
 * Deletes avatars of generations or models with their bytes, including those of unfinished tries.
 * @param unfinishedOf - only avatars of this upstream generation that are not stored
 * @returns the number of avatars
 */
export async function deleteAvatarsOf(
  sql: Sql,
  noun: JobKind['noun'],
  ids: readonly string[],
  unfinishedOf?: { readonly providerRef: string | null },
): Promise<number> {
  const gone = await sql.rows<AvatarBytes>(
    `DELETE FROM avatars
      WHERE ${noun}_id = ANY($1)
        AND (NOT $2 OR (status IN (${textList(unfinishedAvatarStates)}) AND provider_ref IS NOT DISTINCT FROM $3))
     RETURNING id, media_token AS "mediaToken"`,
    [ids, unfinishedOf !== undefined, unfinishedOf?.providerRef ?? null],
  );
  await scheduleDeletion(
    sql,
    gone.flatMap((avatar) => avatarKeys(avatar)),
  );
  await deleteRenditionsOf(
    sql,
    gone.map(({ id }) => id),
  );
  return gone.length;
}

/** The number of pictures of a generation by state. */
export interface Tally {
  pending: number;
  delayed: number;
  stored: number;
  /** The number of requested pictures that are lost or delayed. Those that the owner has deleted are not missing. */
  missing: number;
  /** The number of expired pictures among the lost and delayed ones. */
  expired: number;
  unreachable: number;
  all: number;
}

/** Counts the pictures of a generation. */
export async function tallyOf(sql: Sql, generationId: string): Promise<Tally> {
  const [tally] = await sql.rows<Tally>(
    `SELECT count(*) FILTER (WHERE status = 'PENDING')::int AS pending, count(*) FILTER (WHERE status = 'DELAYED')::int AS delayed,
            count(*) FILTER (WHERE status = 'STORED')::int AS stored,
            count(*) FILTER (WHERE status IN (${textList(missingAvatarStates)}) AND position < (SELECT wanted FROM generations WHERE id = $1))::int AS missing,
            count(*) FILTER (WHERE status <> 'STORED' AND failure_code = 'RESULT_EXPIRED')::int AS expired,
            count(*) FILTER (WHERE status <> 'STORED' AND failure_code = 'RESULT_UNREACHABLE')::int AS unreachable,
            count(*)::int AS all
       FROM avatars WHERE generation_id = $1`,
    [generationId],
  );
  return tally!;
}
