import type { Config } from '../config';
import type { Sql } from '../core/sql';
import { findOtherEngine } from '../database/installation';
import { removalCure } from '../database/required-migrations';
import { StorageUnavailableError } from '../storage/media-store';
import { nameOfStore, openMediaStore } from '../storage/open-store';
import { compareStore, describeMismatch } from '../storage/store-agreement';
import { readDatabaseFacts, type DatabaseFacts, type WaitingFacts } from './doctor-facts.repository';
import { clockFinding, finding, type Finding } from './doctor-finding';
import { checkReplicas } from './doctor-replica';
import { withAnyDatabase, type Shell } from './shell';

const minServerVersion = 150_000;

/** Checks the database, its migrations and clock, and what waits in it. */
export function checkDatabase(shell: Shell): Promise<Finding[]> {
  return withAnyDatabase(shell, async ({ database, config, dataDir }) => {
    const facts = await readDatabaseFacts(database);
    return [
      finding(
        'database',
        facts.version >= minServerVersion ? 'ok' : 'fail',
        `PostgreSQL ${facts.versionName}, ${facts.latencyMs} ms per statement${database.engine.notifies ? `, ${facts.processes} gateway processes` : ''}`,
        facts.version >= minServerVersion ? null : 'Use PostgreSQL 15 or newer.',
      ),
      durability(facts.synchronousCommit, config.DATABASE_URL === undefined),
      migrations(facts),
      clockFinding('clock', 'database', facts.clockMs),
      ...(await checkReplicas(config, database)),
      ...(facts.missingMigrations === 0 && facts.removal === null
        ? await checkInstallation(database, config, dataDir)
        : []),
      ...(facts.waiting ? waiting(facts.waiting) : []),
    ];
  });
}

/** Whether the processes of the database have the engine of the settings, and its store of pictures. */
async function checkInstallation(sql: Sql, config: Config, dataDir: string): Promise<Finding[]> {
  const other = await findOtherEngine(sql);
  if (other === null) {
    const agreed = finding('engine', 'ok', `DATABASE_ENGINE=${sql.engine.name}`);
    return [agreed, await checkStore(sql, config, dataDir)];
  }
  const refused = finding('engine', 'fail', other.problem, other.cure);
  // The row that is missing also records the store.
  return other.agreed === null ? [refused] : [refused, await checkStore(sql, config, dataDir)];
}

/** Whether the store of pictures is that of the database. Changes nothing. */
async function checkStore(sql: Sql, config: Config, dataDir: string): Promise<Finding> {
  const check = 'store';
  const name = nameOfStore(config, dataDir);
  try {
    const { relation, marker } = await compareStore(sql, await openMediaStore(config, dataDir));
    if (relation === 'OTHER') {
      const { problem, cure } = describeMismatch(marker);
      return finding(check, 'fail', `${name} ${problem}`, cure);
    }
    const detail = relation === 'SAME' ? 'is that of the database' : 'will be marked by the next start';
    return finding(check, 'ok', `${name} ${detail}`);
  } catch (error) {
    if (!(error instanceof StorageUnavailableError)) throw error;
    return finding(
      check,
      'fail',
      `${name} cannot be read`,
      'Correct what the check of the folders or of the bucket says.',
    );
  }
}

function durability(synchronousCommit: string, isEmbedded: boolean): Finding {
  const isDurable = synchronousCommit !== 'off' || isEmbedded;
  return finding(
    'durability',
    isDurable ? 'ok' : 'fail',
    `synchronous_commit is ${synchronousCommit}`,
    isDurable
      ? null
      : 'Set synchronous_commit = on: otherwise a crash of the database loses ids of paid calls.',
  );
}

function migrations({
  missingMigrations: missing,
  unknownMigrations: unknown,
  removal,
}: DatabaseFacts): Finding {
  if (removal !== null) return finding('migrations', 'fail', removal, removalCure);
  if (missing === 0 && unknown > 0) {
    const cure = 'Start the newer version, unless you are rolling back by one release.';
    return finding(
      'migrations',
      'warn',
      `${unknown} are of a newer version, which has removed nothing`,
      cure,
    );
  }
  const cure = 'Start the gateway, or run `likeness migrate`.';
  return missing > 0
    ? finding('migrations', 'warn', `${missing} are not applied yet`, cure)
    : finding('migrations', 'ok', 'all are applied');
}

function waiting({ uncertain, pauses, disabledWebhooks }: WaitingFacts): Finding[] {
  return [
    uncertain > 0
      ? finding(
          'uncertain jobs',
          'warn',
          `${uncertain} calls may have been paid`,
          'See `likeness uncertain list`.',
        )
      : finding('uncertain jobs', 'ok', 'none'),
    pauses.length > 0
      ? finding(
          'submissions',
          'warn',
          `paused: ${pauses.join(', ')}`,
          'See `likeness status`; `likeness resume` resumes them.',
        )
      : finding('submissions', 'ok', 'not paused'),
    disabledWebhooks > 0
      ? finding(
          'webhooks',
          'warn',
          `${disabledWebhooks} are disabled`,
          'See `likeness webhooks list --status DISABLED`.',
        )
      : finding('webhooks', 'ok', 'none is disabled'),
  ];
}
