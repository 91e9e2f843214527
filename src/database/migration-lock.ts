import { randomUUID } from 'node:crypto';
import type { Client } from 'pg';
import { pause } from '../core/clock';
import type { Engine } from '../core/engine';

/** The key of the advisory lock: an arbitrary number ('likeness' on a telephone keypad). */
const lockKey = 54_537_377;

/** Maximum wait for another process that migrates, in milliseconds. */
const maxWaitMs = 60_000;
/** The delay between tries to take its place, in milliseconds. */
const lockPollMs = 200;
/** How long a lease lasts, and how often it is renewed, in milliseconds. */
const leaseMs = { duration: 30_000, renewal: 10_000 } as const;

/** As in the migration that adds the table, which may run under the lease. */
const createInstallation = `CREATE TABLE IF NOT EXISTS "installation" (
  "id" integer NOT NULL,
  "engine" text,
  "migrator" uuid,
  "migrating_until" timestamptz,
  CONSTRAINT "installation_pkey" PRIMARY KEY ("id"),
  CONSTRAINT "installation_id_only" CHECK (id = 1))`;

/**
 * Takes the place of the only process that migrates: by an advisory lock of the session, or by a lease without which it may be
 * taken over. A process that loses its lease while it is suspended cannot repeat a migration in a transaction, which also
 * records it, under the primary key of its name's table. The statements of migrations without a transaction can be repeated.
 * @returns gives the place back
 * @throws Error with advice if another process has it for too long
 */
export async function lockMigrations(client: Client, engine: Engine): Promise<() => Promise<void>> {
  if (engine.migratesAtStart) {
    // The end of the session releases it.
    await wait(() => tryAdvisoryLock(client));
    return () => Promise.resolve();
  }
  await prepareLease(client);
  const migrator = randomUUID();
  await wait(() => tryLease(client, migrator));
  const renewals = setInterval(() => void renew(client, migrator).catch(() => undefined), leaseMs.renewal);
  return async () => {
    clearInterval(renewals);
    await client.query(
      'UPDATE installation SET migrator = NULL, migrating_until = NULL WHERE migrator = $1',
      [migrator],
    );
  };
}

/**
 * Tries repeatedly: a session that waits in a statement has a snapshot, and the holder waits for all snapshots when it creates an
 * index concurrently.
 */
async function wait(lock: () => Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + maxWaitMs; !(await lock());) {
    if (Date.now() >= endMs) {
      throw new Error(
        `Another process has been migrating the database for ${maxWaitMs / 1_000} seconds. Start again when it has ended.`,
      );
    }
    await pause(lockPollMs);
  }
}

async function tryAdvisoryLock(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ isLocked: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS "isLocked"',
    [lockKey],
  );
  return rows[0]!.isLocked;
}

/** SQLSTATEs of a process that creates the table at the same time as another one, which has then created it. */
const isCreated = ['23505', '42P07', '42710', '40001'];

async function prepareLease(client: Client): Promise<void> {
  try {
    await client.query(createInstallation);
  } catch (error) {
    if (!isCreated.includes(String((error as { code?: unknown }).code))) throw error;
  }
  await client.query('INSERT INTO installation (id) VALUES (1) ON CONFLICT DO NOTHING');
}

async function tryLease(client: Client, migrator: string): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE installation SET migrator = $1, migrating_until = now() + $2 * interval '1 ms'
      WHERE migrating_until IS NULL OR migrating_until <= now()`,
    [migrator, leaseMs.duration],
  );
  return rowCount === 1;
}

async function renew(client: Client, migrator: string): Promise<void> {
  await client.query(
    `UPDATE installation SET migrating_until = now() + $2 * interval '1 ms' WHERE migrator = $1`,
    [migrator, leaseMs.duration],
  );
}
