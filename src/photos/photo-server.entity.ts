import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** A process that serves photos to upstreams, and since when it has done so without a gap. */
@Entity('photo_servers')
@Check('photo_servers_period', 'serving_since <= last_seen_at')
@Index('photo_servers_of_url', ['publicUrl', 'lastSeenAt'])
export class PhotoServerEntity {
  /** A fresh one for each start of a process. */
  @PrimaryColumn('uuid')
  id: string;

  /** What the photo URLs of this process begin with. */
  @Column('text')
  publicUrl: string;

  /** The begin of the present period without a gap. */
  @Column('timestamptz')
  servingSince: Date;

  @Column('timestamptz')
  lastSeenAt: Date;

  /** When it last knew that a photo could not be served, or that a fetch could not be recorded. */
  @Column('timestamptz', { nullable: true })
  interruptedAt: Date | null;
}
