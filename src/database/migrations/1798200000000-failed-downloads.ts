import type { MigrationInterface, QueryRunner } from 'typeorm';
import { validateConstraints } from '../online-changes';

const kindsBefore =
  "kind IN ('REQUESTED', 'SUBMITTED', 'POLLED', 'STATUS_CHANGED', 'AVATAR_STORED', 'ACTED_ON')";
const kinds =
  "kind IN ('REQUESTED', 'SUBMITTED', 'POLLED', 'STATUS_CHANGED', 'AVATAR_STORED', 'DOWNLOAD_FAILED', 'ACTED_ON')";

/** Failed downloads of pictures in timelines. */
export class FailedDownloads1798200000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'FailedDownloads1798200000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "timeline_entries" DROP CONSTRAINT IF EXISTS "timeline_entries_kind_known",
  ADD CONSTRAINT "timeline_entries_kind_known" CHECK (${kinds}) NOT VALID`);
    await validateConstraints(runner, 'timeline_entries', ['timeline_entries_kind_known']);
  }

  /** The entries of failed downloads are lost. */
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DELETE FROM "timeline_entries" WHERE kind = 'DOWNLOAD_FAILED'`);
    await runner.query(`ALTER TABLE "timeline_entries" DROP CONSTRAINT IF EXISTS "timeline_entries_kind_known",
  ADD CONSTRAINT "timeline_entries_kind_known" CHECK (${kindsBefore})`);
  }
}
