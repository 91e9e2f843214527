import { DomainError } from '../core/errors';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { JobPatch } from '../jobs/job.kind';
import type { LifecycleSteps, RetryRequest } from '../jobs/job.lifecycle';
import { detachSubmissions } from '../jobs/ledger.repository';
import { readAttempt } from '../jobs/submission.repository';
import type { JobPhotoService } from '../photos/job-photo.service';
import { deleteAvatarsOf, listMissing, type MissingAvatar } from './avatar.repository';
import type { GenerationEntity } from './generation.entity';
import { generationKind } from './generation.kind';
import { idsOfModel } from './generation.repository';
import { isLost } from './missing-avatars';

/** What cancelling, retrying and deleting involve for generations. */
export class GenerationLifecycle implements LifecycleSteps<GenerationEntity> {
  readonly kind = generationKind;
  readonly actions = { retry: 'retryGeneration', delete: 'deleteGeneration' } as const;

  constructor(private readonly photos: JobPhotoService) {}

  /** Stored avatars stay, and so do delayed ones of attempts before this one, which may still arrive. */
  async cancelled(sql: Sql, { id, status, providerRef }: GenerationEntity): Promise<void> {
    if (status !== 'QUEUED') await deleteAvatarsOf(sql, 'generation', [id], { providerRef });
    await this.photos.release(sql, id);
  }

  async prepareRetry(
    sql: Sql,
    viewer: Viewer,
    row: GenerationEntity,
    { missingOnly = false }: RetryRequest,
  ): Promise<JobPatch> {
    const { id, modelId } = row;
    const orderedPositions = await this.positionsToOrder(sql, row, missingOnly);
    if (modelId === null && (await this.photos.holdForRetry(sql, viewer, id)) === 0) {
      throw notRetryable('Its photo has been deleted. Create a new generation.', 'input.id');
    }
    // Without stored pictures, those of the previous attempt are no longer fetched.
    if (orderedPositions === null) await deleteAvatarsOf(sql, 'generation', [id]);
    return { resultsExpireAt: null, orderedPositions };
  }

  async retryable(sql: Sql, viewer: Viewer, rows: readonly GenerationEntity[]): Promise<ReadonlySet<string>> {
    const partial = rows.filter(({ status }) => status === 'PARTIAL').map(({ id }) => id);
    const missing = await listMissing(sql, viewer.owner, partial);
    const lacking = new Set(missing.filter(isLost).map(({ generationId }) => generationId));
    return this.photos.withKept(
      sql,
      viewer,
      rows
        .filter(({ id, status }) => status !== 'PARTIAL' || lacking.has(id))
        .map(({ id, modelId }) => ({ id, needed: modelId === null ? 1 : 0 })),
    );
  }

  /** The positions of the pictures that a retry orders; null for all. Stored pictures are never ordered again. */
  private async positionsToOrder(
    sql: Sql,
    row: GenerationEntity,
    missingOnly: boolean,
  ): Promise<number[] | null> {
    if (row.status === 'PARTIAL' && !missingOnly) throw notRetryable(needsMissingOnly, 'input.missingOnly');
    // The results of the previous attempt are assigned to the positions of this one.
    if (row.orderedPositions !== null && (await mayBeAccepted(sql, row))) return row.orderedPositions;
    const missing = await listMissing(sql, row.owner, [row.id]);
    if (row.status === 'PARTIAL') return lostPositions(missing);
    if (missingOnly && !missing.every(isLost)) throw notRetryable(mayArrive, 'input.missingOnly');
    return null;
  }

  async deleteDependents(sql: Sql, { id }: GenerationEntity): Promise<void> {
    await deleteAvatarsOf(sql, 'generation', [id]);
    await this.photos.release(sql, id);
  }

  /**
   * Schedules the deletion of the bytes of a model's avatars, and detaches the paid calls of its generations, in
   * the transaction that deletes the model.
   */
  async scheduleDeletionOfModel(sql: Sql, modelId: string): Promise<void> {
    await detachSubmissions(sql, generationKind, await idsOfModel(sql, modelId));
    await deleteAvatarsOf(sql, 'model', [modelId]);
  }
}

const needsMissingOnly =
  'The generation is PARTIAL. To keep its avatars and order those that are missing, retry with missingOnly: true.';
const nothingMissing = 'No picture is missing that can be ordered. Those in `missing` may still arrive.';
const mayArrive =
  'Pictures of the generation may still arrive. Wait, or retry without missingOnly, which orders all again.';

function notRetryable(message: string, field: string): DomainError {
  return new DomainError('NOT_RETRYABLE', message, { field });
}

/**
 * Whether an id of the latest attempt may still arrive. Of a PARTIAL generation it cannot if the upstream refused that attempt, or
 * if the retry after it was not submitted.
 */
async function mayBeAccepted(sql: Sql, row: GenerationEntity): Promise<boolean> {
  if (row.providerRef !== null || row.status !== 'PARTIAL') return row.providerRef === null;
  const attempt = await readAttempt(sql, generationKind, row);
  return attempt?.outcome !== 'ACCEPTED' && attempt?.outcome !== 'REFUSED';
}

/** @throws DomainError NOT_RETRYABLE if no picture is lost */
function lostPositions(missing: readonly MissingAvatar[]): number[] {
  const lost = missing.filter(isLost).map(({ position }) => position);
  if (lost.length === 0) throw notRetryable(nothingMissing, 'input.id');
  return lost;
}
