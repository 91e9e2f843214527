import { Entity, PrimaryColumn } from 'typeorm';

/**
 * A row that a transaction locks instead of an advisory lock: see `Engine.lock`. Which keys share a slot depends on their
 * hash, so that the number of rows is fixed.
 */
@Entity('locks')
export class LockEntity {
  @PrimaryColumn('text')
  name: string;

  @PrimaryColumn('integer')
  slot: number;
}
