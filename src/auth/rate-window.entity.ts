import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** The number of operations of an owner or address in the current window, summed over all processes. */
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
