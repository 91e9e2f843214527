import { eraseLedgerEntries, pruneLedgerEntries } from '../../src/accounts/ledger-entry.repository';
import { erasedOwner } from '../../src/core/data-subject';
import type { Sql } from '../../src/core/sql';
import { settleLedger } from '../../src/jobs/ledger-settlement.repository';
import { modelKind } from '../../src/models/model.kind';
import { type Job, useJobHarness } from '../support/job-harness';
import { begin } from '../support/job-scenarios';
import { ledgerLines } from '../support/ledger-check';
import { countLockWaits } from '../support/lock-waits';
import { refuses } from '../support/scripted-provider';
import { until } from '../support/until';

describe('money, after the data of its owner', () => {
  const harness = useJobHarness();

  afterEach(async () => {
    expect(await harness.brokenLedgerEntries()).toEqual([]);
  });

  const entries = (): Promise<string[]> => ledgerLines(harness.database);
  const reserved = async (): Promise<string[]> => {
    const rows = await harness.database.rows<{ amount: string }>(
      `SELECT amount::text FROM ledger_entries WHERE kind = 'RESERVED'`,
    );
    return rows.map(({ amount }) => amount);
  };
  const submit = (job: Job): Promise<unknown> => harness.worker.submit(job.table);

  it('of a call in flight is settled after an erasure, and then names no job', async () => {
    const job = await begin(harness, 'training');
    const { owner } = await harness.row(job);
    const held = harness.provider.hold();
    const pass = submit(job);
    await held.arrived;
    await harness.delete(job);
    const [{ until } = { until: '' }] = await harness.database.rows<{ until: string }>(
      'SELECT now()::text AS until',
    );
    expect(await eraseLedgerEntries(harness.database, { owner, until }, true, 10)).toBe(1);
    expect(await eraseLedgerEntries(harness.database, { owner, until }, true, 10)).toBe(0);
    // It may still be charged.
    expect(await harness.database.rows('SELECT owner, amount FROM erased_spending')).toEqual([
      { owner, amount: (await reserved())[0] },
    ]);
    held.answer(refuses());
    await pass;
    expect(await entries()).toEqual(['1 RESERVED', '1 RELEASED']);
    expect(await harness.database.rows('SELECT DISTINCT owner, job_id AS job FROM ledger_entries')).toEqual([
      { owner: erasedOwner, job: null },
    ]);
  });

  it.each(['before', 'after'] as const)(
    'has no owner and no job if an erasure waits for the end of a call, or the end for the erasure: it is written %s',
    async (order) => {
      const job = await begin(harness, 'training');
      const { owner } = await harness.row(job);
      await submit(job);
      await harness.database.rows(`DELETE FROM ledger_entries WHERE kind <> 'RESERVED'`);
      await harness.database.rows(`UPDATE ledger_entries SET due_at = now()`);
      const [now] = await harness.database.rows<{ text: string }>('SELECT now()::text AS text');
      const subject = { owner, until: now!.text };
      const changes = [
        (sql: Sql): Promise<unknown> => settleLedger(sql, modelKind, [job.id]),
        (sql: Sql): Promise<unknown> => eraseLedgerEntries(sql, subject, true, 10),
      ];
      if (order === 'after') changes.reverse();
      let second: Promise<unknown> = Promise.resolve();
      await harness.database.transaction(async (sql) => {
        await changes[0]!(sql);
        second = harness.database.transaction(changes[1]!);
        await until(async () => (await countLockWaits(harness.database)) > 0);
      });
      await second;
      expect(await entries()).toEqual(['1 RESERVED', '1 SPENT']);
      expect(await harness.database.rows('SELECT DISTINCT owner, job_id AS job FROM ledger_entries')).toEqual(
        [{ owner: erasedOwner, job: null }],
      );
    },
  );

  it('is kept for a month at least, and for as long as it is reserved', async () => {
    const [over] = [await begin(harness, 'training'), await begin(harness, 'generation')];
    await submit(over);
    const prune = (): Promise<number> => pruneLedgerEntries(harness.database, 1);
    expect(await prune()).toBe(0);
    const old = `'01800000-0000-7000-8000-' || right(id::text, 12)`;
    await harness.database.rows(
      `UPDATE ledger_entries SET id = (${old})::uuid, reservation_id = (${old})::uuid WHERE kind = 'RESERVED'`,
    );
    await harness.database.rows(
      `UPDATE ledger_entries e SET reservation_id = r.id FROM ledger_entries r WHERE e.kind = 'SPENT' AND r.kind = 'RESERVED' AND r.job_id = e.job_id`,
    );
    // It may have been spent in this month, whose limit counts it.
    await harness.database.rows(
      `UPDATE ledger_entries SET created_at = now() - interval '31 days' WHERE kind = 'SPENT'`,
    );
    expect(await prune()).toBe(0);
    await harness.database.rows(
      `UPDATE ledger_entries SET created_at = now() - interval '33 days' WHERE kind = 'SPENT'`,
    );
    expect(await prune()).toBe(2);
    expect(await entries()).toEqual(['1 RESERVED']);
  });
});
