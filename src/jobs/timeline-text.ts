import type { Scope } from '../core/viewer';
import { failureCodes, type FailureCode } from './failure';
import type { SubmissionOutcome } from './submission.entity';
import type { DownloadOutcome, PollOutcome, TimelineEntryEntity } from './timeline-entry.entity';

/** A paid call, as the ledger has it. */
export interface Submission {
  readonly outcome: SubmissionOutcome;
  readonly httpStatus: number | null;
  readonly correlationId: string | null;
  /** Null until the call has ended. */
  readonly durationMs: number | null;
}

/** An entry with what it does not store itself. */
export type TimelineEntryRow = TimelineEntryEntity & {
  /** The paid call of SUBMITTED; null of other kinds. */
  submission: Submission | null;
  /** How many polls of the attempt came before the entry that follows POLLED; 0 if a retry has reset the number. Null of other kinds. */
  until: number | null;
};

/** What the text of an entry is made from. */
export type MessageColumns = 'kind' | 'status' | 'failureCode' | 'outcome' | 'polls' | 'submission' | 'until';

const submitted: Record<SubmissionOutcome, string> = {
  CALLING: 'it has not answered yet',
  ACCEPTED: 'it accepted',
  REFUSED: 'it refused; nothing was charged',
  NOT_EXECUTED: 'the request was not executed; nothing was charged',
  UNKNOWN: 'it is unknown whether it accepted',
};

const polled: Record<PollOutcome, string> = {
  RUNNING: 'it was not finished',
  DONE: 'it was finished',
  FAILED: 'it had failed',
  NOT_FOUND: 'the service did not know it',
  ERROR: 'there was no usable answer',
};

const downloaded: Record<DownloadOutcome, string> = {
  UNREACHABLE: 'A picture could not be downloaded; it is tried again.',
  UNUSABLE: 'A picture was downloaded, but its bytes cannot be used; it is tried again.',
  LOST: 'A picture could not be downloaded before the avatar service deleted it. It is lost.',
};

/** An entry as a sentence. */
export function messageOf(entry: Pick<TimelineEntryRow, MessageColumns>): string {
  const { kind, status, failureCode, submission } = entry;
  switch (kind) {
    case 'REQUESTED':
      return 'The job was requested.';
    case 'SUBMITTED':
      return `The avatar service was asked to do the job${submission ? `; ${submitted[submission.outcome]}` : ''}.`;
    case 'POLLED':
      return `The avatar service was asked how the job stands${timesOf(entry)}; ${polled[entry.outcome as PollOutcome]}.`;
    case 'STATUS_CHANGED':
      return `The status became ${status}. ${failureOf(failureCode)}`.trim();
    case 'AVATAR_STORED':
      return 'An avatar was stored.';
    case 'DOWNLOAD_FAILED':
      return downloaded[entry.outcome as DownloadOutcome];
    case 'ACTED_ON':
      return status === 'QUEUED' ? 'A retry was requested.' : 'A cancellation was requested.';
  }
}

/** The first sentence of a failure; of a code that this version does not know, the code. */
function failureOf(code: string | null): string {
  if (code === null) return '';
  return Object.hasOwn(failureCodes, code) ? failureCodes[code as FailureCode] : `${code}.`;
}

/** How often equal answers followed each other, if more than once. */
function timesOf({ polls, until }: Pick<TimelineEntryRow, 'polls' | 'until'>): string {
  const times = until! - polls!;
  return times > 1 ? `, ${times} times` : '';
}

/** The greatest Int of GraphQL. */
const maxDurationMs = 2 ** 31 - 1;

/** What {@link callOf} is made from. */
export type CallColumns = 'kind' | 'submission' | 'httpStatus' | 'durationMs' | 'correlationId';

/** The call of an entry; null if it has none, or while it is in flight. */
export interface EntryCall {
  readonly httpStatus: number | null;
  readonly durationMs: number;
  readonly correlationId: string | null;
}

/**
 * The call to the avatar service.
 * @param scopes - those of the viewer: the upstream's id of the call is for operators
 */
export function callOf(
  entry: Pick<TimelineEntryRow, CallColumns>,
  scopes: readonly Scope[],
): EntryCall | null {
  const call = entry.kind === 'SUBMITTED' ? entry.submission : entry;
  if (call?.durationMs == null) return null;
  const { httpStatus, correlationId } = call;
  const durationMs = Math.min(Math.max(0, call.durationMs), maxDurationMs);
  return { httpStatus, durationMs, correlationId: scopes.includes('admin') ? correlationId : null };
}
