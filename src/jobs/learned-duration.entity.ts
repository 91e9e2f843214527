import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The weights of a sketch by the number of their bin, as they are stored. */
export type SketchBins = Readonly<Record<string, number>>;

/** How long jobs of a class have taken. It contains no data of a person, and no data of a single job. */
@Entity('learned_durations')
@Check('learned_durations_work_known', "work IN ('TRAINING', 'GENERATION')")
export class LearnedDurationEntity {
  @PrimaryColumn('text')
  provider: string;

  @PrimaryColumn('text')
  work: 'TRAINING' | 'GENERATION';

  /** The type and the size, for example `WOMAN/10`; empty for all jobs of this work. */
  @PrimaryColumn('text')
  jobClass: string;

  /** The weights of a sketch: by the logarithm of the duration. */
  @Column('jsonb')
  bins: SketchBins;

  @Column('timestamptz', { default: () => 'now()' })
  updatedAt: Date;
}
