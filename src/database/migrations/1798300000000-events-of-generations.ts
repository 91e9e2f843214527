import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createIndexes } from '../online-changes';

/** The events of a generation: its deletion does not read those of its whole model. */
export class EventsOfGenerations1798300000000 implements MigrationInterface {
  readonly transaction = false;
  readonly name = 'EventsOfGenerations1798300000000';

  async up(runner: QueryRunner): Promise<void> {
    await createIndexes(runner, {
      events_of_generation: `"events" ("generation_id") WHERE generation_id IS NOT NULL`,
    });
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX IF EXISTS "events_of_generation"');
  }
}
