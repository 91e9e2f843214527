import { Column, Entity, Index, PrimaryColumn } from 'typeorm';

/** An action that costs money, deletes data or grants access. Append-only, pruned by age. */
@Entity('audit_log')
@Index('audit_log_of_owner', ['owner', 'at'])
@Index('audit_log_old', ['at'])
export class AuditEntryEntity {
  @PrimaryColumn('uuid')
  id: string;

  @Column('timestamptz', { default: () => 'now()' })
  at: Date;

  /** The owner, `key:<id>` or `operator`; `@/erased` if the owner's data have been erased. */
  @Column('text')
  actor: string;

  /** The owner of the affected data; `@/erased` once the owner's data have been erased. */
  @Column('text')
  owner: string;

  /** The mutation's name, or `createKey`, `revokeKey`. */
  @Column('text')
  action: string;

  /** The affected global id, key id or erasure receipt. */
  @Column('text', { nullable: true })
  subject: string | null;

  /** Counts and codes. No prompts, URLs or names. */
  @Column('jsonb', { default: {} })
  details: Record<string, string | number | boolean | null>;
}
