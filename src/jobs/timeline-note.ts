import type { DownloadOutcome, PollOutcome, TimelineEntryEntity } from './timeline-entry.entity';

/** A poll, for the timeline of its job. */
export interface PollNote extends Pick<TimelineEntryEntity, 'httpStatus' | 'correlationId'> {
  readonly kind: 'POLLED';
  /** How many polls of the attempt came before. */
  readonly polls: number;
  readonly outcome: PollOutcome;
  readonly durationMs: number;
}

/** A call that is not part of a move, for the timeline of its job. */
export type CallNote = Pick<TimelineEntryEntity, 'httpStatus' | 'correlationId'> & {
  readonly durationMs: number | null;
} & (
    | { readonly kind: 'AVATAR_STORED' }
    | { readonly kind: 'DOWNLOAD_FAILED'; readonly outcome: DownloadOutcome }
    | { readonly kind: 'POLLED'; readonly outcome: PollOutcome; readonly durationMs: number }
  );

/** What a move adds to the timeline of its job besides a change of the status. */
export type TimelineNote = PollNote | { readonly kind: 'SUBMITTED' | 'ACTED_ON' };
