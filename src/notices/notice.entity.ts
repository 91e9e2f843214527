import { Check, Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** What a notice is about. */
export type NoticeKind = 'WEBHOOK_DISABLED' | 'SPENDING_LIMIT_NEAR';

/** A message of the server to an owner. */
@Entity('notices')
@Check('notices_kind_known', "kind IN ('WEBHOOK_DISABLED', 'SPENDING_LIMIT_NEAR')")
@Index('notices_of_owner', ['owner', 'id'])
@Index('notices_old', ['createdAt'])
export class NoticeEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('text')
  kind: NoticeKind;

  /** For people. */
  @Column('text')
  message: string;

  /** The global id of the object that it is about. */
  @Column('text', { nullable: true })
  subject: string | null;

  @Column('timestamptz', { default: () => 'now()' })
  createdAt: Date;
}
