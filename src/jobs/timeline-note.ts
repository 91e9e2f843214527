import type { PollOutcome, TimelineEntryEntity } from './timeline-entry.entity';

/** A poll, for the timeline of its job. */
export interface PollNote extends Pick<TimelineEntryEntity, 'httpStatus' | 'correlationId'> {
  readonly kind: 'POLLED';
  /** How many polls of the attempt came before. */
  readonly polls: number;
  readonly outcome: PollOutcome;
  readonly durationMs: number;
}

/** What a move adds to the timeline of its job besides a change of the status. */
export type TimelineNote = PollNote | { readonly kind: 'SUBMITTED' | 'ACTED_ON' };
