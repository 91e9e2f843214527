import { type GenerationStatus, type ModelStatus } from '../graphql/operations';

/** What people read for a status, and how the job is shown. */
export interface StatusText {
  readonly text: string;
  readonly tone: 'waiting' | 'running' | 'good' | 'bad' | 'quiet';
}

const statusTexts: Readonly<Record<ModelStatus | GenerationStatus, StatusText>> = {
  QUEUED: { text: 'Waiting', tone: 'waiting' },
  SUBMITTING: { text: 'Starting', tone: 'running' },
  UNCERTAIN: { text: 'Taking longer than usual', tone: 'waiting' },
  TRAINING: { text: 'Training', tone: 'running' },
  GENERATING: { text: 'Making', tone: 'running' },
  STORING: { text: 'Saving', tone: 'running' },
  READY: { text: 'Ready', tone: 'good' },
  COMPLETED: { text: 'Complete', tone: 'good' },
  PARTIAL: { text: 'Partly complete', tone: 'bad' },
  FAILED: { text: 'Failed', tone: 'bad' },
  CANCELLED: { text: 'Cancelled', tone: 'quiet' },
};

export const statusText = (status: ModelStatus | GenerationStatus): StatusText => statusTexts[status];

/** Whether its progress still changes. */
export function isUnfinished(status: ModelStatus | GenerationStatus): boolean {
  const { tone } = statusTexts[status];
  return tone === 'waiting' || tone === 'running';
}

/** The statuses of models that are not finished. */
export const unfinishedModelStatuses: ModelStatus[] = ['QUEUED', 'SUBMITTING', 'UNCERTAIN', 'TRAINING'];

/** How many generations of a model are loaded at once. */
export const generationPageSize = 6;
