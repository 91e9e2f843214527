import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** The type of the changed object, or DELETED. */
export type EventKind = 'MODEL' | 'GENERATION' | 'AVATAR' | 'DELETED';

/** An ordered stream of events about a model with its generations and avatars, or a generation without model. */
@Entity('streams')
@Index('streams_of_owner', ['owner'])
export class StreamEntity {
  /** The model's id, or the generation's if it has no model. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The last assigned sequence number; incremented under the row's lock, so that numbers are committed in order. */
  @Column('bigint', { default: 0 })
  sequence: string;

  /** When its subject was deleted. The row is deleted when its last event is pruned. */
  @Column('timestamptz', { nullable: true })
  endedAt: Date | null;
}

/** A change, with the state of the changed row after it. */
@Entity('events')
@Check('events_kind_known', "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'DELETED')")
@Index('events_old', ['createdAt'])
export class EventEntity {
  @PrimaryColumn('uuid')
  streamId: string;

  /** 1, 2, 3 … within the stream, without gaps. */
  @PrimaryColumn('bigint')
  sequence: string;

  @Column('text')
  kind: EventKind;

  /** The model, generation or avatar that changed. */
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

  @ManyToOne(() => StreamEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'stream_id', foreignKeyConstraintName: 'events_stream' })
  stream?: StreamEntity;
}
