/** A data subject: everything that belonged to an owner at a point in time. */
export interface DataSubject {
  readonly owner: string;
  /** The point in time in the database's notation, to the microsecond. Data created later are not included. */
  readonly until: string;
}

/**
 * The owner of the records that remain after an erasure: audit log entries and final events of streams. It cannot
 * collide with a real owner: a token's `sub` and a key's owner must not have the form `@…/…`, and a key's owner is never
 * empty.
 */
export const erasedOwner = '@/erased';
