import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** Who did what that costs, deletes, or opens the door to others. Written once, never changed, pruned by age. */
@Entity('audit_log')
@Index('audit_log_of_owner', ['owner', 'at'])
@Index('audit_log_old', ['at'])
export class AuditEntryEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('timestamptz', { default: () => 'now()' })
  at: Date;

  /** Who did it: the owner itself, `key:<id>` or `operator`; `@/erased` if it was an owner who is. */
  @Column('text')
  actor: string;

  /** Whom it concerns. `@/erased` once the owner's data have been erased. */
  @Column('text')
  owner: string;

  /** The mutation's name, or `createKey`, `revokeKey`. */
  @Column('text')
  action: string;

  /** The global id, the key's id or the receipt that it was done to. */
  @Column('text', { nullable: true })
  subject: string | null;

  /** Counts and codes. No prompt, no URL, no name. */
  @Column('jsonb', { default: {} })
  details: Record<string, string | number | boolean | null>;
}
