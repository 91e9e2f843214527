import { failure, failureColumns, type FailureCode } from '../jobs/failure';
import { orderOf, promptIndexes, type OrderColumns } from './avatar-order';
import { notDelivered } from './avatar.entity';
import type { MissingAvatar } from './avatar.repository';
import type { GenerationEntity, PromptRow } from './generation.entity';

/** Avatars of one prompt that are missing for the same reason. */
export interface MissingGroup {
  promptIndex: number;
  prompt: PromptRow;
  count: number;
  mayArrive: boolean;
  why: FailureColumns;
}

/** The columns of a generation that say what it lacks. */
type MissingRow = Pick<GenerationEntity, 'status'> & OrderColumns & FailureColumns;

/** A picture that its generation lacks. */
export type MissingPicture = Pick<MissingAvatar, 'position' | 'status' | 'failureCode'>;

/** Whether a missing picture can no longer arrive, so that a retry orders it. */
export function isLost({ status }: Pick<MissingAvatar, 'status'>): boolean {
  return status === 'LOST';
}

/** The failure of a row, with its code as it is stored. */
type FailureColumns = Pick<GenerationEntity, 'failureCode' | 'failureMessage' | 'failureRetryable'>;

const advice = {
  arriving:
    'They are retried until the avatar service deletes them, and stored if they arrive, free of charge.',
  lost: 'Retry with missingOnly to order them again, which is charged.',
};

/** Whether the API shows which avatars of a generation are missing: only after it has ended without them. */
export function hasMissing({ status }: Pick<GenerationEntity, 'status'>): boolean {
  return status === 'PARTIAL' || status === 'FAILED';
}

/** The missing avatars of a PARTIAL or FAILED generation, by prompt and reason. */
export function groupMissing(row: MissingRow, pictures: readonly MissingPicture[]): MissingGroup[] {
  const indexes = promptIndexes(row.prompts);
  const groups = new Map<string, MissingGroup>();
  for (const { position, mayArrive, why } of reasonsOf(row, pictures)) {
    const promptIndex = indexes[position]!;
    const key = `${promptIndex} ${why.failureCode} ${mayArrive}`;
    const group = groups.get(key);
    if (group) group.count += 1;
    else groups.set(key, { promptIndex, prompt: row.prompts[promptIndex]!, count: 1, mayArrive, why });
  }
  return [...groups.values()].sort((one, other) => one.promptIndex - other.promptIndex);
}

interface Reason {
  position: number;
  mayArrive: boolean;
  why: FailureColumns;
}

/** The failure of the latest attempt is the reason for the pictures that it ordered. */
function reasonsOf(row: MissingRow, pictures: readonly MissingPicture[]): Reason[] {
  const { failureCode: code, failureMessage, failureRetryable } = row;
  const ofAttempt = code === null ? null : { failureCode: code, failureMessage, failureRetryable };
  // It failed before the upstream made pictures.
  if (pictures.length === 0 && row.status === 'FAILED' && ofAttempt)
    return orderOf(row).map((position) => ({ position, mayArrive: false, why: ofAttempt }));
  const ordered = new Set(orderOf(row));
  return pictures.map(({ position, status, failureCode }) => {
    const mayArrive = status === 'DELAYED';
    const code = (failureCode ?? notDelivered) as FailureCode;
    const own = failureColumns(failure(code, mayArrive ? advice.arriving : advice.lost));
    const isOfAttempt = row.status === 'PARTIAL' && !mayArrive && ordered.has(position);
    return { position, mayArrive, why: isOfAttempt ? (ofAttempt ?? own) : own };
  });
}
