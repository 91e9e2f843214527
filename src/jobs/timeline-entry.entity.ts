import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** The kinds of entries of a timeline. */
export const timelineKinds = [
  'REQUESTED',
  'SUBMITTED',
  'POLLED',
  'STATUS_CHANGED',
  'AVATAR_STORED',
  'DOWNLOAD_FAILED',
  'ACTED_ON',
] as const;

/** One of {@link timelineKinds}. */
export type TimelineKind = (typeof timelineKinds)[number];

/** The answer to a poll: ERROR if it says nothing about the job, or if there was none. */
export type PollOutcome = 'RUNNING' | 'DONE' | 'FAILED' | 'NOT_FOUND' | 'ERROR';

/** How the download of a picture failed; LOST if it is not tried again. */
export type DownloadOutcome = 'UNREACHABLE' | 'UNUSABLE' | 'LOST';

/**
 * Something that happened to a job. Ids are made by the database in the order of time, so that they order the entries of
 * a job. Entries contain no text of the upstream. They are deleted with their job, and after `EVIDENCE_RETENTION`.
 */
@Entity('timeline_entries')
@Check('timeline_entries_one_job', 'num_nonnulls(model_id, generation_id) = 1')
@Check('timeline_entries_kind_known', `kind IN ('${timelineKinds.join("', '")}')`)
@Check(
  'timeline_entries_polled_is_whole',
  "kind <> 'POLLED' OR (polls IS NOT NULL AND outcome IS NOT NULL AND duration_ms IS NOT NULL)",
)
@Index('timeline_entries_of_model', ['modelId', 'id'], { where: 'model_id IS NOT NULL' })
@Index('timeline_entries_of_generation', ['generationId', 'id'], { where: 'generation_id IS NOT NULL' })
export class TimelineEntryEntity {
  @PrimaryColumn('uuid')
  id: string;

  /** The owner of the job. */
  @Column('text')
  owner: string;

  @Column('uuid', { nullable: true })
  modelId: string | null;

  @Column('uuid', { nullable: true })
  generationId: string | null;

  /** The job's attempt after the event. */
  @Column('integer')
  attempt: number;

  @Column('text')
  kind: TimelineKind;

  @Column('timestamptz')
  occurredAt: Date;

  /** The status after the event, of STATUS_CHANGED and ACTED_ON; null otherwise. */
  @Column('text', { nullable: true })
  status: string | null;

  /** The code of the failure that the job has after STATUS_CHANGED. */
  @Column('text', { nullable: true })
  failureCode: string | null;

  /** How many polls of the attempt came before, of POLLED and STATUS_CHANGED; null otherwise. */
  @Column('integer', { nullable: true })
  polls: number | null;

  /** Of POLLED and DOWNLOAD_FAILED. Equal answers that follow have no entries of their own. */
  @Column('text', { nullable: true })
  outcome: PollOutcome | DownloadOutcome | null;

  /** The call of POLLED, AVATAR_STORED and DOWNLOAD_FAILED; null if no answer came. The call of SUBMITTED is in the ledger. */
  @Column('smallint', { nullable: true })
  httpStatus: number | null;

  @Column('integer', { nullable: true })
  durationMs: number | null;

  @Column('text', { nullable: true })
  correlationId: string | null;

  // By name, since models and generations import this folder.
  @ManyToOne('ModelEntity', { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'model_id', foreignKeyConstraintName: 'timeline_entries_model' })
  model?: object | null;

  @ManyToOne('GenerationEntity', { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'generation_id', foreignKeyConstraintName: 'timeline_entries_generation' })
  generation?: object | null;
}
