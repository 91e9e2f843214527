import { Client, type ClientConfig } from 'pg';
import { DataSource, DefaultNamingStrategy, type EntityTarget, type ObjectLiteral } from 'typeorm';
import { snakeName } from '../core/sql';
import { Foundation1764000000000 } from './migrations/1764000000000-foundation';
import { Accounts1764000001000 } from './migrations/1764000001000-accounts';
import { Privacy1764000002000 } from './migrations/1764000002000-privacy';
import { RateWindows1764000003000 } from './migrations/1764000003000-rate-windows';
import { SubmissionEvidence1764100001000 } from './migrations/1764100001000-submission-evidence';
import { FairClaims1764100002000 } from './migrations/1764100002000-fair-claims';
import { Circuits1764100003000 } from './migrations/1764100003000-circuits';
import { AccountPause1764100003001 } from './migrations/1764100003001-account-pause';
import { Ledger1764100003002 } from './migrations/1764100003002-ledger';
import { LateWatch1764100004000 } from './migrations/1764100004000-late-watch';
import { AvatarWatch1764100005000 } from './migrations/1764100005000-avatar-watch';
import { WriteAdmission1764100009000 } from './migrations/1764100009000-write-admission';
import { UnansweredCalls1764100010000 } from './migrations/1764100010000-unanswered-calls';
import { MediaDeletions1764200000000 } from './migrations/1764200000000-media-deletions';
import { ResultPositions1764300000000 } from './migrations/1764300000000-result-positions';
import {
  AvatarLists1764400000002,
  GenerationLists1764400000001,
  ModelLists1764400000000,
  PhotoLists1764400000003,
} from './migrations/1764400000000-lists';
import { MissingAvatars1764600000000 } from './migrations/1764600000000-missing-avatars';
import { ListsByName1764700000000 } from './migrations/1764700000000-lists-by-name';
import { EarlierProcesses1764700000001 } from './migrations/1764700000001-earlier-processes';
import { Online1764700000002 } from './migrations/1764700000002-online';
import { GenerationStyles1764800000000 } from './migrations/1764800000000-generation-styles';
import { Claims1764810000000 } from './migrations/1764810000000-claims';
import { Favorites1764820000000 } from './migrations/1764820000000-favorites';
import { BulkRetries1764820000001 } from './migrations/1764820000001-bulk-retries';
import { AvatarDownloads1764820000002 } from './migrations/1764820000002-avatar-downloads';
import { Queue1764820000003 } from './migrations/1764820000003-queue';
import { LearnedDurations1764830000000 } from './migrations/1764830000000-learned-durations';
import { Timeline1764840000000 } from './migrations/1764840000000-timeline';
import { Priorities1764850000000 } from './migrations/1764850000000-priorities';
import { Renditions1764860000000 } from './migrations/1764860000000-renditions';
import { Provenance1764860000001 } from './migrations/1764860000001-provenance';
import { OwnerStreams1764865000000 } from './migrations/1764865000000-owner-streams';
import { Notices1764870000000 } from './migrations/1764870000000-notices';
import { Webhooks1764870001000 } from './migrations/1764870001000-webhooks';
import { LedgerEntries1764880000000 } from './migrations/1764880000000-ledger-entries';
import { ClientTokens1764890000000 } from './migrations/1764890000000-client-tokens';
import { RenditionSources1764895000000 } from './migrations/1764895000000-rendition-sources';
import { EarlierErasures1764895000001 } from './migrations/1764895000001-earlier-erasures';
import { DownloadVariants1764900000000 } from './migrations/1764900000000-download-variants';
import { NoticeEvents1767000000000 } from './migrations/1767000000000-notice-events';
import { SubmissionPauses1767100000000 } from './migrations/1767100000000-submission-pauses';
import { WebhookPendingAge1798000000000 } from './migrations/1798000000000-webhook-pending-age';
import { WebhookKeys1798100000000 } from './migrations/1798100000000-webhook-keys';
import { FailedDownloads1798200000000 } from './migrations/1798200000000-failed-downloads';
import { EventsOfGenerations1798300000000 } from './migrations/1798300000000-events-of-generations';
import { PortableEngine1798700000000 } from './migrations/1798700000000-portable-engine';
import { UsedPhotos1799000000000 } from './migrations/1799000000000-used-photos';
import { SlowWebhooks1799200000000 } from './migrations/1799200000000-slow-webhooks';
import { PhotoUses1799310000000 } from './migrations/1799310000000-photo-uses';
import { StoreId1799600000000 } from './migrations/1799600000000-store-id';
import { PhotoTokens1799730000000 } from './migrations/1799730000000-photo-tokens';
import { RequiredMigrations1799740000000 } from './migrations/1799740000000-required-migrations';
import { RateCounts1799750000000 } from './migrations/1799750000000-rate-counts';
import { typeParsers } from './timestamps';

/** Every migration, oldest first. */
const migrations = [
  Foundation1764000000000,
  Accounts1764000001000,
  Privacy1764000002000,
  RateWindows1764000003000,
  SubmissionEvidence1764100001000,
  FairClaims1764100002000,
  Circuits1764100003000,
  AccountPause1764100003001,
  Ledger1764100003002,
  LateWatch1764100004000,
  AvatarWatch1764100005000,
  WriteAdmission1764100009000,
  UnansweredCalls1764100010000,
  MediaDeletions1764200000000,
  ResultPositions1764300000000,
  ModelLists1764400000000,
  GenerationLists1764400000001,
  AvatarLists1764400000002,
  PhotoLists1764400000003,
  MissingAvatars1764600000000,
  ListsByName1764700000000,
  EarlierProcesses1764700000001,
  Online1764700000002,
  GenerationStyles1764800000000,
  Claims1764810000000,
  Favorites1764820000000,
  BulkRetries1764820000001,
  AvatarDownloads1764820000002,
  Queue1764820000003,
  LearnedDurations1764830000000,
  Timeline1764840000000,
  Priorities1764850000000,
  Renditions1764860000000,
  Provenance1764860000001,
  OwnerStreams1764865000000,
  Notices1764870000000,
  Webhooks1764870001000,
  LedgerEntries1764880000000,
  ClientTokens1764890000000,
  RenditionSources1764895000000,
  EarlierErasures1764895000001,
  DownloadVariants1764900000000,
  NoticeEvents1767000000000,
  SubmissionPauses1767100000000,
  WebhookPendingAge1798000000000,
  WebhookKeys1798100000000,
  FailedDownloads1798200000000,
  EventsOfGenerations1798300000000,
  PortableEngine1798700000000,
  UsedPhotos1799000000000,
  SlowWebhooks1799200000000,
  PhotoUses1799310000000,
  StoreId1799600000000,
  PhotoTokens1799730000000,
  RequiredMigrations1799740000000,
  RateCounts1799750000000,
];

/** The names of this version's migrations, in order. */
export const migrationNames: readonly string[] = migrations.map(({ name }) => name);

export interface DataSourceOptions {
  url: string;
  /** Maximum number of pooled connections. */
  poolSize: number;
  entities: EntityTarget<ObjectLiteral>[];
  /**
   * Whether the URL leads to a pooler in transaction mode, which may refuse startup parameters. The time limits are then
   * those of {@link Database}, and of the role.
   * @defaultValue false
   */
  isPooled?: boolean;
  /** How long an answer may take, in milliseconds. @defaultValue any time */
  maxAnswerMs?: number;
  /** The names of the only migrations to run. @defaultValue all */
  migrations?: readonly string[];
}

/** Limits of statements and of idle transactions, in milliseconds, by PostgreSQL's parameter. */
const timeLimits = { statement_timeout: 15_000, idle_in_transaction_session_timeout: 10_000 } as const;

/** Most statements read few rows by an index. By its default cost of a page PostgreSQL prefers bitmaps and sorting. */
const planning = { random_page_cost: 1.1 } as const;

/** Locks and claims are made for this level: under others, concurrent changes of a row fail. The role may have another default. */
export const isolation = 'READ COMMITTED';

/** The startup parameter `options`, in which spaces are escaped. */
const startOptions = `-c random_page_cost=${planning.random_page_cost} -c default_transaction_isolation=${isolation.replace(' ', '\\ ')}`;

/** PostgreSQL's parameters for the sessions of the gateway. */
export const sessionParameters = { ...timeLimits, ...planning };

/**
 * Creates an unconnected data source. Statements are limited to 15 s and idle transactions to 10 s, so that no lock
 * outlives a hanging process, and other processes take over its work within 30 s.
 */
export function createDataSource({
  url,
  poolSize,
  entities,
  isPooled = false,
  maxAnswerMs,
  migrations: only,
}: DataSourceOptions): DataSource {
  return new DataSource({
    type: 'postgres',
    url,
    poolSize,
    entities: entities as never,
    migrations: only ? migrations.filter(({ name }) => only.includes(name)) : migrations,
    migrationsTableName: 'migrations',
    migrationsTransactionMode: 'each',
    namingStrategy: new SnakeNaming(),
    uuidExtension: 'pgcrypto',
    installExtensions: false,
    synchronize: false,
    logging: false,
    applicationName: 'likeness',
    connectTimeoutMS: 5_000,
    extra: {
      ...(!isPooled && { ...timeLimits, options: startOptions }),
      query_timeout: maxAnswerMs,
      keepAlive: true,
      // Node.js then probes every second, ten times: the loss of a machine ends long statements as well.
      keepAliveInitialDelayMillis: 10_000,
      types: typeParsers,
      Client: ErrorTolerantClient,
    },
  });
}

/**
 * A client whose loss never ends the process. The pool has a listener for errors of idle clients, and users have one for
 * theirs. In between a new session has no listener, and the message that it is ended may arrive with the one that it is ready.
 */
class ErrorTolerantClient extends Client {
  constructor(config?: ClientConfig) {
    super(config);
    // Statements report the loss.
    this.on('error', () => undefined);
  }
}

/**
 * Columns are snake_case in the database and camelCase here; primary keys are named `<table>_pkey`, as by
 * PostgreSQL.
 */
class SnakeNaming extends DefaultNamingStrategy {
  override columnName(propertyName: string, customName: string | undefined): string {
    return customName ?? snakeName(propertyName);
  }

  override primaryKeyName(tableOrName: { name: string } | string): string {
    return `${typeof tableOrName === 'string' ? tableOrName : tableOrName.name}_pkey`;
  }
}
