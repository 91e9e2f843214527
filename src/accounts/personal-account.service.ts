import type { Person } from '../core/person';
import type { Sql } from '../core/sql';
import { anonymizeAuditLog } from './audit.repository';
import { deleteKeysOf } from './idempotency-key.repository';
import { eraseReservations } from './quota.repository';

/** Rows of a table that are changed per transaction. */
const maxRowsPerTransaction = 5_000;

/** Erases a person's account data: idempotency keys, quota reservations, audit log. */
export class PersonalAccountService {
  /**
   * @param keepsCounts - whether daily totals of trainings and avatars since yesterday survive an erasure. Needed if
   * quotas are set, because an erasure could otherwise reset them.
   */
  constructor(private readonly keepsCounts: boolean) {}

  /**
   * Erases idempotency keys and quota reservations, and anonymizes the audit log. Run it after the jobs were erased.
   * @returns the number of processed rows; 0: nothing is left
   */
  async eraseSome(sql: Sql, person: Person): Promise<number> {
    const keys = await deleteKeysOf(sql, person, maxRowsPerTransaction);
    const reservations = await eraseReservations(sql, person, this.keepsCounts);
    return keys + reservations + (await anonymizeAuditLog(sql, person, maxRowsPerTransaction));
  }
}
