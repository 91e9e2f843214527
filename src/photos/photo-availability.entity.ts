import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A process that serves photos to upstreams, and the period in which it has done so without interruption. */
@Entity('photo_servers')
@Check('photo_servers_period', 'serving_since <= last_seen_at')
@Index('photo_servers_of_url', ['publicUrl', 'lastSeenAt'])
export class PhotoAvailabilityEntity {
  /** A new id for each start of a process. */
  @PrimaryColumn('uuid')
  id: string;

  /** The base of photo URLs of this process. */
  @Column('text')
  publicUrl: string;

  /** The start of the current uninterrupted period. */
  @Column('timestamptz')
  servingSince: Date;

  @Column('timestamptz')
  lastSeenAt: Date;

  /** When a photo could last not be served, or a fetch could last not be recorded. */
  @Column('timestamptz', { nullable: true })
  interruptedAt: Date | null;
}
