import type { PersonalAccountService } from '../accounts/personal-account.service';
import { erasedOwner, type Person } from '../core/person';
import type { Sql } from '../core/sql';
import { disownEndedStreams } from '../events/personal-events';
import type { PersonalAvatarService } from '../generations/personal-avatar.service';
import type { PersonalGenerationService } from '../generations/personal-generation.service';
import type { PersonalModelService } from '../models/personal-model.service';
import type { PersonalPhotoService } from '../photos/personal-photo.service';

/** Everything that is kept of persons, by those who keep it. */
export interface PersonalData {
  account: PersonalAccountService;
  photos: PersonalPhotoService;
  models: PersonalModelService;
  generations: PersonalGenerationService;
  avatars: PersonalAvatarService;
}

/** How many rows of each table have been erased. */
export interface ErasureCounts {
  photos: number;
  models: number;
  generations: number;
  avatars: number;
}

/** What one transaction has erased. */
export interface Batch {
  /** Whether anything was found; if so there may be more. */
  isSome: boolean;
  counts: Partial<ErasureCounts>;
  /** Streams that have ended by it. */
  streams: readonly string[];
}

/** Erases a portion of one kind, in the transaction that is given. */
export type ErasureStep = (sql: Sql, person: Person) => Promise<Batch>;

/**
 * How many rows one transaction takes. Each holds locks that the batches of the workers may wait for, so a portion is
 * what takes a tenth of a second on a slow disk.
 */
const atOnce = { underWay: 20, generations: 200, models: 100, photos: 500, streams: 1_000 } as const;

/**
 * The steps of an erasure, each to be repeated until it finds nothing. First goes what is under way, so that nothing
 * more is paid for; then what hangs on something before what it hangs on. Each step locks rows in the order of all
 * others who do: jobs, their avatars, photos, streams.
 */
export function erasureSteps({ account, photos, models, generations, avatars }: PersonalData): ErasureStep[] {
  const eraseGenerations =
    (isUnderWay: boolean, limit: number): ErasureStep =>
    async (sql, person) => {
      const ids = await generations.lockSome(sql, person, isUnderWay, limit);
      if (ids.length === 0) return nothing;
      const count = await avatars.eraseOf(sql, 'generations', ids);
      await generations.deleteLocked(sql, ids);
      return { isSome: true, counts: { generations: ids.length, avatars: count }, streams: ids };
    };
  const eraseModels =
    (isUnderWay: boolean, limit: number): ErasureStep =>
    async (sql, person) => {
      const ids = await models.lockSome(sql, person, isUnderWay, limit);
      if (ids.length === 0) return nothing;
      const count = await avatars.eraseOf(sql, 'models', ids);
      await models.deleteLocked(sql, ids);
      return { isSome: true, counts: { models: ids.length, avatars: count }, streams: ids };
    };
  return [
    eraseGenerations(true, atOnce.underWay),
    eraseModels(true, atOnce.underWay),
    eraseGenerations(false, atOnce.generations),
    eraseModels(false, atOnce.models),
    async (sql, person) => {
      const count = await photos.eraseSome(sql, person, atOnce.photos);
      return { isSome: count > 0, counts: { photos: count }, streams: [] };
    },
    async (sql, person) => some(await disownEndedStreams(sql, person, erasedOwner, atOnce.streams)),
    async (sql, person) => some(await account.eraseSome(sql, person)),
  ];
}

const nothing: Batch = { isSome: false, counts: {}, streams: [] };

/** Rows that nobody counts. */
function some(count: number): Batch {
  return { ...nothing, isSome: count > 0 };
}
