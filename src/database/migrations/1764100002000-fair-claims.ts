import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Indexes for claims that take owners in turn: for each kind of work one by due time and one by owner and due time. */
export class FairClaims1764100002000 implements MigrationInterface {
  readonly name = 'FairClaims1764100002000';

  async up(runner: QueryRunner): Promise<void> {
    for (const [name, definition] of indexes) await runner.query(`CREATE INDEX "${name}" ON ${definition}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of indexes) await runner.query(`DROP INDEX "${name}"`);
  }
}

const jobIndexes = (table: string, running: string): [string, string][] => {
  const where = (states: string): string => `WHERE due_at IS NOT NULL AND status ${states}`;
  const queued = where(`= 'QUEUED'`);
  const followed = where(`IN ('${running}', 'FAILED')`);
  return [
    [`${table}_queued_due`, `"${table}" ("due_at") ${queued}`],
    [`${table}_queued_of_owner`, `"${table}" ("owner", "due_at") ${queued}`],
    [`${table}_queued_deadline`, `"${table}" ("deadline_at") ${queued}`],
    [`${table}_unsettled_due`, `"${table}" ("due_at") ${where(`IN ('SUBMITTING', 'UNCERTAIN')`)}`],
    [`${table}_followed_due`, `"${table}" ("due_at") ${followed}`],
    [`${table}_followed_of_owner`, `"${table}" ("owner", "due_at") ${followed}`],
  ];
};

const indexes: [name: string, definition: string][] = [
  ...jobIndexes('models', 'TRAINING'),
  ...jobIndexes('generations', 'GENERATING'),
  ['photos_due_of_owner', `"photos" ("owner", "due_at") WHERE due_at IS NOT NULL`],
  ['avatars_due_of_owner', `"avatars" ("owner", "due_at") WHERE due_at IS NOT NULL`],
  ['avatars_expiring_of_owner', `"avatars" ("owner", "expires_at", "due_at") WHERE due_at IS NOT NULL`],
];
