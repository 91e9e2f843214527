import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What owners' jobs cost. Jobs from before have no entries. */
export class LedgerEntries1764880000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'LedgerEntries1764880000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE IF NOT EXISTS "ledger_entries" (
  "id" uuid NOT NULL,
  "owner" text NOT NULL,
  "reservation_id" uuid NOT NULL,
  "job_kind" text NOT NULL,
  "job_id" uuid,
  "attempt" integer NOT NULL,
  "kind" text NOT NULL,
  "amount" bigint NOT NULL,
  "currency" text NOT NULL,
  "created_at" timestamptz NOT NULL DEFAULT now(),
  "due_at" timestamptz,
  CONSTRAINT "ledger_entries_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "ledger_entries_kind_known" CHECK (kind IN ('RESERVED', 'SPENT', 'RELEASED')),
  CONSTRAINT "ledger_entries_job_kind_known" CHECK (job_kind IN ('model', 'generation')),
  CONSTRAINT "ledger_entries_positive" CHECK (amount > 0),
  CONSTRAINT "ledger_entries_reservation" CHECK ((kind = 'RESERVED') = (reservation_id = id)),
  CONSTRAINT "ledger_entries_due" CHECK (due_at IS NULL OR kind = 'RESERVED')
)`);
    // The tables were created a moment ago, so that their indexes need no online build.
    for (const [name, definition] of Object.entries(indexes))
      await runner.query(
        `CREATE ${name === 'ledger_entries_one_end' ? 'UNIQUE ' : ''}INDEX IF NOT EXISTS "${name}" ON ${definition}`,
      );
    await runner.query(`CREATE TABLE IF NOT EXISTS "erased_spending" (
  "owner" text NOT NULL,
  "day" date NOT NULL,
  "currency" text NOT NULL,
  "amount" bigint NOT NULL,
  CONSTRAINT "erased_spending_pkey" PRIMARY KEY ("owner", "day", "currency")
)`);
    await runner.query('CREATE INDEX IF NOT EXISTS "erased_spending_old" ON "erased_spending" ("day")');
  }

  /** What jobs cost is lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE IF EXISTS "ledger_entries", "erased_spending"');
  }
}

const indexes: Readonly<Record<string, string>> = {
  ledger_entries_one_end: `"ledger_entries" ("reservation_id") WHERE kind <> 'RESERVED'`,
  ledger_entries_of_owner: '"ledger_entries" ("owner", "id")',
  ledger_entries_of_job: '"ledger_entries" ("job_id") WHERE job_id IS NOT NULL',
  ledger_entries_open: '"ledger_entries" ("due_at") WHERE due_at IS NOT NULL',
  ledger_entries_open_of_owner: '"ledger_entries" ("owner", "currency", "amount") WHERE due_at IS NOT NULL',
  ledger_entries_spent: `"ledger_entries" ("owner", "currency", "created_at", "amount") WHERE kind = 'SPENT'`,
};
