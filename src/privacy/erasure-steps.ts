import { anonymizeAuditLog } from '../accounts/audit.repository';
import { deleteKeysOf } from '../accounts/idempotency.repository';
import { eraseReservations } from '../accounts/quota.repository';
import { erasedOwner, type Person } from '../core/person';
import type { Sql } from '../core/sql';
import { disownEndedStreams } from '../events/event-log.repository';
import type { PersonalAvatarService } from '../generations/personal-avatar.service';
import type { PersonalGenerationService } from '../generations/personal-generation.service';
import type { PersonalModelService } from '../models/personal-model.service';
import type { PersonalPhotoService } from '../photos/personal-photo.service';

/** The services of the features that store personal data. */
export interface PersonalData {
  photos: PersonalPhotoService;
  models: PersonalModelService;
  generations: PersonalGenerationService;
  avatars: PersonalAvatarService;
}

/** Numbers of erased rows by table. */
export interface ErasureCounts {
  photos: number;
  models: number;
  generations: number;
  avatars: number;
}

/** The result of one transaction. */
export interface Batch {
  /** Whether any rows were erased; if so, there may be more. */
  isSome: boolean;
  counts: Partial<ErasureCounts>;
  /** Event streams that ended. */
  streams: readonly string[];
}

/** Erases a batch of rows of one kind within the given transaction. */
export type ErasureStep = (sql: Sql, person: Person) => Promise<Batch>;

/**
 * The maximum number of rows per transaction. A transaction holds locks that workers may wait for, so a batch is limited
 * to what takes about 100 ms on a slow disk.
 */
const batchSizes = {
  running: 20,
  generations: 200,
  models: 100,
  photos: 500,
  streams: 1_000,
  account: 5_000,
} as const;

/**
 * The steps of an erasure, in order; each is repeated until it erases nothing. Running jobs come first, so that nothing
 * more is paid for; then dependent rows before the rows they refer to. Each step locks rows in the order that all other
 * code uses: jobs, their avatars, photos, streams.
 * @param keepsCounts - whether daily totals of trainings and avatars since yesterday survive an erasure. Needed if
 * quotas are set, because an erasure could otherwise reset them.
 */
export function erasureSteps(data: PersonalData, keepsCounts: boolean): ErasureStep[] {
  const { photos, models, generations, avatars } = data;
  const eraseGenerations =
    (isRunning: boolean, limit: number): ErasureStep =>
    async (sql, person) => {
      const ids = await generations.lockSome(sql, person, isRunning, limit);
      if (ids.length === 0) return emptyBatch;
      const count = await avatars.eraseOf(sql, 'generations', ids);
      await generations.deleteLocked(sql, ids);
      return { isSome: true, counts: { generations: ids.length, avatars: count }, streams: ids };
    };
  const eraseModels =
    (isRunning: boolean, limit: number): ErasureStep =>
    async (sql, person) => {
      const ids = await models.lockSome(sql, person, isRunning, limit);
      if (ids.length === 0) return emptyBatch;
      const count = await avatars.eraseOf(sql, 'models', ids);
      await models.deleteLocked(sql, ids);
      return { isSome: true, counts: { models: ids.length, avatars: count }, streams: ids };
    };
  return [
    eraseGenerations(true, batchSizes.running),
    eraseModels(true, batchSizes.running),
    eraseGenerations(false, batchSizes.generations),
    eraseModels(false, batchSizes.models),
    async (sql, person) => {
      const count = await photos.eraseSome(sql, person, batchSizes.photos);
      return { isSome: count > 0, counts: { photos: count }, streams: [] };
    },
    async (sql, person) => uncounted(await disownEndedStreams(sql, person, erasedOwner, batchSizes.streams)),
    async (sql, person) => uncounted(await eraseAccount(sql, person, keepsCounts)),
  ];
}

const emptyBatch: Batch = { isSome: false, counts: {}, streams: [] };

/** A batch of rows that are not part of {@link ErasureCounts}. */
function uncounted(count: number): Batch {
  return { ...emptyBatch, isSome: count > 0 };
}

/** Erases idempotency keys and quota reservations, and anonymizes the audit log. Returns the number of changed rows. */
async function eraseAccount(sql: Sql, person: Person, keepsCounts: boolean): Promise<number> {
  const keys = await deleteKeysOf(sql, person, batchSizes.account);
  const reservations = await eraseReservations(sql, person, keepsCounts);
  return keys + reservations + (await anonymizeAuditLog(sql, person, batchSizes.account));
}
