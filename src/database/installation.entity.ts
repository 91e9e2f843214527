import { Check, Column, Entity, PrimaryColumn } from 'typeorm';

/** The only row about the database itself. */
@Entity('installation')
@Check('installation_id_only', 'id = 1')
export class InstallationEntity {
  @PrimaryColumn('integer')
  id: number;

  /** The DATABASE_ENGINE of all processes; null until one has started. */
  @Column('text', { nullable: true })
  engine: string | null;

  /** The process that migrates the database. Used without advisory locks. */
  @Column('uuid', { nullable: true })
  migrator: string | null;

  /** When its lease ends, unless it is renewed. */
  @Column('timestamptz', { nullable: true })
  migratingUntil: Date | null;

  /** The id in the marker of the store of pictures; null until a process has started. */
  @Column('uuid', { nullable: true })
  storeId: string | null;

  /** When the marker was written; null: no store has it yet. */
  @Column('timestamptz', { nullable: true })
  storeMarkedAt: Date | null;

  /** Versions without these migrations do not start: later ones have removed what they use. */
  @Column('text', { array: true, default: () => "'{}'" })
  requiredMigrations: string[];
}
