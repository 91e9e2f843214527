import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Written by processes of earlier versions: the number of operations of an owner or address, summed over them. */
@Entity('rate_windows')
@Check('rate_windows_counted', 'count > 0')
@Index('rate_windows_old', ['endsAt'])
export class RateWindowEntity {
  /** A hash, so that the table contains neither owners nor addresses. */
  @PrimaryColumn('text')
  subject: string;

  @Column('timestamptz')
  endsAt: Date;

  @Column('integer')
  count: number;
}

/** The numbers of operations of an owner or address in a window. */
@Entity('rate_counts')
@Index('rate_counts_old', ['endsAt'])
export class RateCountsEntity {
  /** A hash, so that the table contains neither owners nor addresses. */
  @PrimaryColumn('text')
  subject: string;

  @PrimaryColumn('timestamptz')
  endsAt: Date;

  /** The count of each counter of each process, by its name. */
  @Column('jsonb')
  counts: Record<string, number>;
}
