import { Column, Entity, PrimaryColumn } from 'typeorm';
import type { LeasedRow } from '../../src/core/leased-rows';
import type { Database } from '../../src/database/database';
import type { TestDatabase } from './database';

@Entity('work')
class WorkEntity implements LeasedRow {
  @PrimaryColumn('uuid')
  id: string;

  @Column('text')
  owner: string;

  @Column('uuid', { nullable: true })
  lease: string | null;
}

/** A table of rows to lease, with nothing else. */
export const workTable = { entity: WorkEntity, table: 'work', rows: 'due_at IS NOT NULL' };

/** Creates {@link workTable} with the indexes that claims need. */
export async function createWorkTable(testDatabase: TestDatabase, connections: number): Promise<Database> {
  const database = await testDatabase.pool(connections, [WorkEntity]);
  await database.rows(
    'CREATE TABLE work (id uuid PRIMARY KEY, owner text NOT NULL, due_at timestamptz, lease uuid, place serial, rank integer NOT NULL DEFAULT 1)',
  );
  await database.rows('CREATE INDEX work_due ON work (due_at) WHERE due_at IS NOT NULL');
  await database.rows('CREATE INDEX work_of_owner ON work (owner, due_at) WHERE due_at IS NOT NULL');
  return database;
}
