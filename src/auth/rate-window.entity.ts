import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** How many operations of an owner or an address were counted in the present window, by all processes. */
@Entity('rate_windows')
@Check('rate_windows_counted', 'count > 0')
@Index('rate_windows_old', ['endsAt'])
export class RateWindowEntity {
  /** A hash: neither owners nor addresses stand here. */
  @PrimaryColumn('text')
  subject: string;

  @Column('timestamptz')
  endsAt: Date;

  @Column('integer')
  count: number;
}
