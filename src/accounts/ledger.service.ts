import type { CreatedRange } from '../core/list-conditions';
import { OwnedList } from '../core/owned-list';
import type { Sql } from '../core/sql';
import type { Viewer } from '../core/viewer';
import type { LedgerEntryEntity } from './ledger-entry.entity';
import { findLedgerEntries, ledgerTable } from './ledger-entry.repository';

/** Reads the entries of the ledger. */
export class LedgerService {
  /** Lists of entries. */
  readonly list: OwnedList<LedgerEntryEntity, CreatedRange>;

  constructor(private readonly sql: Sql) {
    this.list = new OwnedList(sql, ledgerTable);
  }

  /** The viewer's entries with the given ids, in the order of the ids. */
  findMany({ owner }: Viewer, ids: readonly string[]): Promise<(LedgerEntryEntity | null)[]> {
    return findLedgerEntries(this.sql, owner, ids);
  }
}
