import { Check, Column, Entity, Index, JoinColumn, ManyToOne, PrimaryColumn } from 'typeorm';

/** What an event tells of. */
export type EventKind = 'MODEL' | 'GENERATION' | 'AVATAR' | 'DELETED';

/** What is told in one order: a model with its generations and avatars, or a generation that has no model. */
@Entity('streams')
@Index('streams_of_owner', ['owner'])
export class StreamEntity {
  /** The model's id, or the generation's where it has no model. */
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  /** The last number given; counted up under the row's lock, so that commits come in the order of the numbers. */
  @Column('bigint', { default: 0 })
  sequence: string;

  /** When its subject was deleted; the row goes once the last event is pruned. */
  @Column('timestamptz', { nullable: true })
  endedAt: Date | null;
}

/** One change, as subscribers are told of it: the row that changed, as it was after the change. */
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

  /** What a subscriber needs of the row; nothing that must be kept from its owner. */
  @Column('jsonb')
  payload: Record<string, unknown>;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;

  @ManyToOne(() => StreamEntity, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'stream_id', foreignKeyConstraintName: 'events_stream' })
  stream?: StreamEntity;
}
