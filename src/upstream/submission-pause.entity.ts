import { Column, Entity, PrimaryColumn } from 'typeorm';

/** What the operator has said last about the submissions of a provider. It holds for accounts that are used later, too. */
@Entity('submission_pauses')
export class SubmissionPauseEntity {
  /** Empty: all providers that have no row of their own. */
  @PrimaryColumn('text')
  provider: string;

  /** Null: submissions are not paused. */
  @Column('timestamptz', { nullable: true })
  pausedAt: Date | null;
}
