import type { MigrationInterface, QueryRunner } from 'typeorm';
import { validateConstraints } from '../online-changes';

const kindsBefore = "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'AVATAR_CHANGED', 'DELETED')";
const kinds = "kind IN ('MODEL', 'GENERATION', 'AVATAR', 'AVATAR_CHANGED', 'NOTICE', 'DELETED')";

/** Events of notices. Notices that exist get none; processes of earlier versions skip events of kinds that they do not know. */
export class NoticeEvents1767000000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'NoticeEvents1767000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE "events" DROP CONSTRAINT IF EXISTS "events_kind_known",
  ADD CONSTRAINT "events_kind_known" CHECK (${kinds}) NOT VALID`);
    await validateConstraints(runner, 'events', ['events_kind_known']);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      `UPDATE "events" SET kind = 'DELETED', payload = '{"erased": true}' WHERE kind = 'NOTICE'`,
    );
    await runner.query(`ALTER TABLE "events" DROP CONSTRAINT IF EXISTS "events_kind_known",
  ADD CONSTRAINT "events_kind_known" CHECK (${kindsBefore})`);
  }
}
