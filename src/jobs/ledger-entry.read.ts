import type { LedgerEntryEntity } from '../accounts/ledger-entry.entity';
import { ledgerTable, selectLedgerEntry } from '../accounts/ledger-entry.repository';
import { checkConditions, columns, computed, type ConnectionSource, type NodeSource } from '../reads/source';
import { moneyOfEntry } from './ledger-entry.resolver';
import type { LedgerArgs } from './ledger-entry.type';

/** What ledger entries are read from, except their jobs. */
export const ledgerEntrySource: NodeSource = {
  type: 'LedgerEntry',
  select: selectLedgerEntry,
  fields: {
    ...columns('kind', 'attempt', 'createdAt'),
    id: { kind: 'id' },
    amount: computed<LedgerEntryEntity, 'amount' | 'currency'>(['amount', 'currency'], moneyOfEntry),
  },
};

/** `Query.ledger`. */
export const ledgerSource: ConnectionSource = {
  kind: 'connection',
  type: 'LedgerEntry',
  table: ledgerTable,
  parentColumn: null,
  queryOf: ({ created, ...page }: LedgerArgs) => ({
    page,
    orderBy: 'NEWEST',
    conditions: checkConditions(ledgerTable.conditionsOf({ ...created })),
  }),
};
