import type { Pool, PoolClient } from 'pg';
import { QueryRunnerAlreadyReleasedError, type DataSource, type QueryRunner } from 'typeorm';
import type { Engine } from '../core/engine';
import { DomainError } from '../core/errors';
import type { OutageLog } from '../core/outage';
import type {
  EntityClass,
  PreparedStatements,
  ReadStatement,
  Sql,
  TransactionOptions,
  Transactions,
} from '../core/sql';
import { isTracing, traced } from '../core/tracing';
import { repeated } from './conflicts';
import { isolation, sessionParameters } from './data-source';
import { engines } from './engine';
import { NamedStatements } from './prepared-statements';
import type { StatementResult } from './rows-query';
import { SilenceLimit } from './silence';

/** The connections of a pool. */
export interface PoolState {
  readonly busy: number;
  readonly idle: number;
  /** Statements and transactions without a connection. */
  readonly waiting: number;
  readonly max: number;
}

/** Options of {@link Database}. */
export interface DatabaseOptions {
  /** Reports that PostgreSQL is unavailable.
   *  @defaultValue not reported */
  readonly outages?: Pick<OutageLog, 'failed' | 'succeeded'>;
  /** As for the data source.
   *  @defaultValue false */
  readonly isPooled?: boolean;
  /** @defaultValue PostgreSQL */
  readonly engine?: Engine;
  /** Whether sessions keep statements prepared under a name.
   *  @defaultValue true */
  readonly prepares?: boolean;
  /** How long a connection in use may be silent before it is closed, in milliseconds.
   *  @defaultValue no limit */
  readonly maxSilenceMs?: number;
}

/** SQL: sets the parameters until the end of the transaction: a pooler gives the session to other clients afterwards. */
const setParameters = [
  `SET TRANSACTION ISOLATION LEVEL ${isolation}`,
  ...Object.entries(sessionParameters).map(([name, value]) => `SET LOCAL ${name} = ${value}`),
].join('; ');

/**
 * Access to PostgreSQL for the features. An unreachable or read-only database is reported to the caller as
 * SERVICE_UNAVAILABLE.
 */
export class Database implements Transactions, PreparedStatements {
  readonly engine: Engine;
  readonly entities: Sql['entities'];
  private readonly statements: NamedStatements;
  private readonly silence: SilenceLimit | null;

  constructor(
    private readonly source: DataSource,
    private readonly options: DatabaseOptions = {},
  ) {
    this.engine = options.engine ?? engines.postgresql;
    this.entities = entitiesBy(source, this.run.bind(this));
    this.statements = new NamedStatements(() => this.pool(), options.prepares);
    const { maxSilenceMs } = options;
    this.silence = maxSilenceMs === undefined ? null : new SilenceLimit(maxSilenceMs);
    const { silence } = this;
    if (silence) this.pool().on('acquire', (client) => silence.apply(client));
  }

  /** The connections of the pool, and the statements that wait for one. */
  poolState(): PoolState {
    const pool = this.pool();
    return {
      busy: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      waiting: pool.waitingCount + this.statements.waitingCount,
      max: pool.options.max,
    };
  }

  text(statement: ReadStatement, parameters: readonly unknown[], owner: string): Promise<string | null> {
    return traced('sql read', sqlAttributes, () =>
      repeated(() => this.guarded(() => this.statements.text(statement, parameters, owner))),
    );
  }

  async rows<Row>(text: string, parameters: readonly unknown[] = []): Promise<Row[]> {
    return toRows<Row>(await this.run(text, parameters));
  }

  private pool(): Pool {
    return (this.source.driver as unknown as { master: Pool }).master;
  }

  /** A statement outside of a transaction is one: if it failed so, it had no effect. */
  private run(text: string, parameters: readonly unknown[]): Promise<StatementResult> {
    return repeated(() => this.guarded(() => this.runOnce(text, parameters)));
  }

  /**
   * Runs a transaction. After a serialization failure, a deadlock or a migration of its columns it is rolled back and
   * repeated a few times.
   */
  transaction<Result>(
    work: (sql: Sql) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return repeated(() => this.guarded(() => this.transactionOnce(work, options)));
  }

  private async guarded<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await asUnavailable(work);
      this.options.outages?.succeeded();
      return result;
    } catch (error) {
      if (isOutage(error)) this.options.outages?.failed(error);
      throw error;
    }
  }

  private async runOnce(text: string, parameters: readonly unknown[]): Promise<StatementResult> {
    const runner = this.source.createQueryRunner();
    try {
      return await this.runOn(runner, text, parameters);
    } finally {
      await runner.release();
    }
  }

  private transactionOnce<Result>(
    work: (sql: Sql) => Promise<Result>,
    { isLong = false }: TransactionOptions,
  ): Promise<Result> {
    return this.source.transaction(async (manager) => {
      const runner = manager.queryRunner!;
      let isOver = false;
      const run: RunStatement = (text, parameters) => {
        // TypeORM releases a connection that is lost.
        if (runner.isReleased && !isOver) throw new QueryRunnerAlreadyReleasedError();
        return this.runOn(runner, text, parameters);
      };
      const rows = async <Row>(text: string, parameters: readonly unknown[] = []): Promise<Row[]> =>
        toRows<Row>(await run(text, parameters));
      try {
        if (this.options.isPooled) await runner.query(setParameters);
        if (isLong) await this.liftLimits(runner);
        return await work({ engine: this.engine, rows, entities: entitiesBy(this.source, run) });
      } finally {
        isOver = true;
      }
    });
  }

  /** Statements may take any time, but not as long as a suspended process leaves their rows unread. */
  private async liftLimits(runner: QueryRunner): Promise<void> {
    this.silence?.lift((await runner.connect()) as PoolClient);
    await runner.query(`SET LOCAL statement_timeout = 0; SET LOCAL tcp_user_timeout = '10s'`);
  }

  /** TypeORM prepares no statements, so its connection is used directly. */
  private async runOn(
    runner: QueryRunner,
    text: string,
    parameters: readonly unknown[],
  ): Promise<StatementResult> {
    const client = (await runner.connect()) as PoolClient;
    if (runner.isReleased) throw new Error('The statement was run after the end of its transaction.');
    return traced(isTracing() ? spanNameOf(text) : '', sqlAttributes, () =>
      this.statements.run(client, text, parameters),
    );
  }
}

const sqlAttributes = { 'db.system.name': 'postgresql' };

/** The first words of a statement, such as `SELECT` and a table's name. Values are parameters, and not in it. */
function spanNameOf(text: string): string {
  const [verb = ''] = text.trim().split(/\s/, 1);
  const [, table] = /\b(?:FROM|INTO|UPDATE)\s+([a-z_]+)\b/.exec(text) ?? [];
  return `sql ${verb.slice(0, 10)}${table === undefined ? '' : ` ${table}`}`;
}

/**
 * SQLSTATEs of temporary failures: class 08 connection, 53 resources (53100 is a full disk), 57P shutdown or
 * startup, 25006 read-only standby, 25P03 a suspended process, 58 system error, 40001 and 40P01 serialization failure or deadlock, 55P03 and
 * 57014 lock or statement timeout.
 */
const unavailableState = /^(08|53|57P|25006|25P03|58|40001|40P01|55P03|57014)/;
const unavailableSystemCalls = new Set([
  // The missing socket file of a stopped local server.
  'ENOENT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'EMFILE',
  'ENFILE',
]);

/** The pool was ended, by the stop of this process, before a statement had a connection. */
const endedPool = /Cannot use a pool after calling end|Driver not Connected/;

/** Whether an error means that PostgreSQL is temporarily unavailable, or that this process no longer uses it. */
export function isUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  // The connection was lost before a statement, or before COMMIT, which was then not sent.
  if (error instanceof QueryRunnerAlreadyReleasedError) return true;
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return unavailableState.test(code) || unavailableSystemCalls.has(code);
  const lost =
    /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Client was closed/;
  return lost.test(error.message) || endedPool.test(error.message);
}

/**
 * PostgreSQL cannot store U+0000: SQLSTATE 22021 for `text`, 22P05 for `jsonb`. Checked here once instead of for
 * every text input.
 */
function holdsNullCharacter(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === '22021' || code === '22P05';
}

/**
 * Whether PostgreSQL is unavailable, and not only this statement was refused: 57014 and the conflicts of transactions, or the
 * pool was ended.
 */
function isOutage(error: unknown): error is DomainError {
  if (!(error instanceof DomainError) || error.code !== 'SERVICE_UNAVAILABLE') return false;
  const { code, message = '' } = (error.cause ?? {}) as { code?: unknown; message?: string };
  if (endedPool.test(message)) return false;
  return typeof code !== 'string' || !/^(40001|40P01|55P03|57014)$/.test(code);
}

async function asUnavailable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (holdsNullCharacter(error)) {
      throw new DomainError(
        'INVALID_INPUT',
        'A text contains the character U+0000, which cannot be stored.',
        { cause: error },
      );
    }
    if (!isUnavailable(error)) throw error;
    throw new DomainError(
      'SERVICE_UNAVAILABLE',
      'The database is temporarily unavailable. Retry in a few seconds; with the same idempotencyKey the request is executed once.',
      { cause: error },
    );
  }
}

type RunStatement = (text: string, parameters: readonly unknown[]) => Promise<StatementResult>;

/** The property of each column, by entity. */
const properties = new WeakMap<EntityClass<object>, ReadonlyMap<string, string>>();

/**
 * Implements {@link Sql.entities}: columns become properties by TypeORM's metadata. Columns that the entity does not have
 * keep their names: during an upgrade, the database may have columns of a newer version.
 */
function entitiesBy(source: DataSource, run: RunStatement): Sql['entities'] {
  const read = async (
    entity: EntityClass<object>,
    text: string,
    parameters: readonly unknown[] = [],
  ): Promise<object[]> => toEntities(propertiesOf(source, entity), await run(text, parameters));
  // TypeScript does not infer the type of the other columns, which occurs only in the result.
  return read as Sql['entities'];
}

function toRows<Row>({ fields, rows }: StatementResult): Row[] {
  return toObjects(
    fields.map(({ name }) => name),
    rows,
  ) as Row[];
}

function toEntities(known: ReadonlyMap<string, string>, { fields, rows }: StatementResult): object[] {
  const columns = fields.map(({ name }) => name);
  const missing = [...known.keys()].find((column) => !columns.includes(column));
  if (missing !== undefined && rows.length > 0)
    throw new Error(`The statement does not return the column ${missing}.`);
  return toObjects(
    columns.map((column) => known.get(column) ?? column),
    rows,
  );
}

function toObjects(names: readonly string[], rows: readonly (readonly unknown[])[]): object[] {
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (let index = 0; index < names.length; index += 1) row[names[index]!] = values[index];
    return row;
  });
}

function propertiesOf(source: DataSource, entity: EntityClass<object>): ReadonlyMap<string, string> {
  let known = properties.get(entity);
  if (!known) {
    const { columns } = source.getMetadata(entity);
    known = new Map(columns.map(({ databaseName, propertyName }) => [databaseName, propertyName]));
    properties.set(entity, known);
  }
  return known;
}
