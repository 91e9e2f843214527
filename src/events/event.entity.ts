import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** The type of the created or changed object, AVATAR_CHANGED for an avatar that was stored before, or DELETED. */
export type EventKind = 'MODEL' | 'GENERATION' | 'AVATAR' | 'AVATAR_CHANGED' | 'NOTICE' | 'DELETED';

/**
 * An ordered stream of events about a model with its generations and avatars, or a generation without model. A notice has a
 * stream of its own, which has ended and contains one event.
 */
@Entity('streams')
@Index('streams_of_owner', ['owner'])
export class StreamEntity {
  /** The model's id, the generation's if it has no model, or the notice's. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The last assigned sequence number; incremented under the row's lock, so that numbers are committed in order. */
  @Column('bigint', { default: 0 })
  sequence: string;

  /** When its subject was deleted; of a notice, when it was sent. The row is deleted when its last event is pruned. */
  @Column('timestamptz', { nullable: true })
  endedAt: Date | null;
}

/** A change, with the state of the changed row after it. */
@Entity('events')
@Check(
  'events_kind_known',
  "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'AVATAR_CHANGED', 'NOTICE', 'DELETED')",
)
@Index('events_old', ['createdAt'])
@Index('events_of_owner', ['owner', 'transactionId'])
@Index('events_of_generation', ['generationId'], { where: 'generation_id IS NOT NULL' })
export class EventEntity {
  @PrimaryColumn('uuid')
  streamId: string;

  /** 1, 2, 3 … within the stream, without gaps. */
  @PrimaryColumn('bigint')
  sequence: string;

  @Column('text')
  kind: EventKind;

  /** The model, generation or avatar that changed, or the notice that was sent. */
  @Column('uuid')
  subjectId: string;

  /** The generation that the subject is or belongs to. */
  @Column('uuid', { nullable: true })
  generationId: string | null;

  /** The data of the row that subscribers need. Visible to the owner. */
  @Column('jsonb')
  payload: Record<string, unknown>;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  /** That of the stream; null if the event was appended by a version without owner streams. */
  @Column('text', { nullable: true })
  owner: string | null;

  /** The transaction that appended it, as `pg_current_xact_id()`: {@link OwnerStreamEntity} finds new events by it. */
  @Column('bigint', { nullable: true })
  transactionId: string | null;

  @ManyToOne(() => StreamEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'stream_id', foreignKeyConstraintName: 'events_stream' })
  stream?: StreamEntity;
}

/** The numbers of the events of all streams of an owner, from the time when the owner's activity was first asked for. */
@Entity('owner_streams')
@Index('owner_streams_owner', ['owner'], { unique: true })
export class OwnerStreamEntity {
  /** Part of cursors. An owner whose data were erased gets a new one. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The last assigned number. */
  @Column('bigint', { default: 0 })
  sequence: string;

  /** The number from which on every event has a number: before it, there were too many to number. */
  @Column('bigint', { default: 1 })
  completeFrom: string;

  /** The `pg_snapshot` in which all visible events of the owner are numbered, or are older than this row. */
  @Column('text')
  numberedUntil: string;

  /** The time of that snapshot. */
  @Column('timestamptz', { default: () => 'now()' })
  numberedAt: Date;

  /** An erasure deletes only streams that are older than it. */
  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}

/** An event's number in the stream of its owner. It remains when the event is erased. */
@Entity('owner_events')
@Index('owner_events_old', ['createdAt'])
export class OwnerEventEntity {
  @PrimaryColumn('uuid')
  ownerStreamId: string;

  /** 1, 2, 3 … within the owner's stream, without gaps. */
  @PrimaryColumn('bigint')
  sequence: string;

  @Column('uuid')
  streamId: string;

  @Column('bigint')
  streamSequence: string;

  /** When the event was appended. */
  @Column('timestamptz')
  createdAt: Date;
}
