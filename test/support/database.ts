import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import type { DataSource } from 'typeorm';
import type { Engine, EngineName } from '../../src/core/engine';
import { createDataSource } from '../../src/database/data-source';
import { Database } from '../../src/database/database';
import { engines } from '../../src/database/engine';
import { entities } from '../../src/entities';
import { rowsAt, templateDatabase, urlOfDatabase } from './test-server';

/** How a gateway connects. */
interface DatabaseSettings {
  DATABASE_URL: string;
  DATABASE_DIRECT_URL?: string;
  DATABASE_ENGINE?: EngineName;
  REDIS_URL?: string;
  REDIS_PREFIX?: string;
}

/** The engine of the run: with `TEST_ENGINE=portable` what other engines than PostgreSQL use. */
export const testEngine: Engine = engines[process.env.TEST_ENGINE === 'portable' ? 'portable' : 'postgresql'];

/** A database for one test file. */
export class TestDatabase {
  private readonly sources: DataSource[] = [];
  private readonly sessions: Client[] = [];

  private constructor(
    private readonly name: string,
    /** The connection URL, with password. */
    readonly url: string,
  ) {}

  /**
   * Clones the migrated template, in some 100 ms: for the `beforeAll` of a test file in a suite with a database.
   * @throws Error if the suite has none
   */
  static async create(): Promise<TestDatabase> {
    const name = `test_${randomBytes(8).toString('hex')}`;
    await rowsAt(serverUrl(), `CREATE DATABASE ${name} TEMPLATE ${templateDatabase} STRATEGY FILE_COPY`);
    return new TestDatabase(name, urlOfDatabase(serverUrl(), name));
  }

  /** The settings of a gateway that uses it, through the pooler and with the Redis of the run, if it has them. */
  get settings(): DatabaseSettings {
    const { LIKENESS_TEST_POOLER: pooler, TEST_REDIS: redis } = process.env;
    return {
      DATABASE_URL: pooler === undefined ? this.url : urlOfDatabase(pooler, this.name),
      ...(pooler !== undefined && { DATABASE_DIRECT_URL: this.url }),
      DATABASE_ENGINE: testEngine.name,
      ...(redis !== undefined && { REDIS_URL: redis, REDIS_PREFIX: this.name }),
    };
  }

  /** Runs one statement, in a session that others use too. */
  rows<Row>(text: string, parameters?: readonly unknown[]): Promise<Row[]> {
    return rowsAt<Row>(this.url, text, parameters);
  }

  /**
   * A pool of connections as the gateway uses it, until {@link drop}.
   * @param more - entities besides those of the gateway
   * @param settings - instead of those of a gateway
   */
  async pool(
    size = 4,
    more: readonly (new () => object)[] = [],
    settings: DatabaseSettings = this.settings,
  ): Promise<Database> {
    const { DATABASE_URL: url, DATABASE_DIRECT_URL, DATABASE_ENGINE = testEngine.name } = settings;
    const isPooled = DATABASE_DIRECT_URL !== undefined;
    const options = { url, poolSize: size, entities: [...entities, ...more], isPooled };
    const source = await createDataSource(options).initialize();
    this.sources.push(source);
    return new Database(source, { isPooled, prepares: !isPooled, engine: engines[DATABASE_ENGINE] });
  }

  /** A session, until {@link drop} or its end. */
  async session(): Promise<Client> {
    const client = new Client({ connectionString: this.url });
    this.sessions.push(client);
    await client.connect();
    return client;
  }

  /** The tables that contain the word in any column of any row. */
  async tablesWith(word: string): Promise<string[]> {
    const tables = await this.rows<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1`,
    );
    const matches: string[] = [];
    for (const { name } of tables) {
      const text = `SELECT 1 FROM ${name} t WHERE t::text LIKE '%' || $1 || '%' LIMIT 1`;
      if ((await this.rows(text, [word])).length > 0) matches.push(name);
    }
    return matches;
  }

  /** Ends its sessions and drops it. May be called twice. */
  async drop(): Promise<void> {
    await Promise.all(this.sources.splice(0).map((source) => source.destroy()));
    await Promise.all(this.sessions.splice(0).map((client) => client.end()));
    await rowsAt(serverUrl(), `DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`);
  }
}

function serverUrl(): string {
  const url = process.env.LIKENESS_TEST_DATABASE;
  if (url === undefined) {
    throw new Error(
      'This suite has no database: give it the globalSetup of test/support in .config/jest.config.cjs.',
    );
  }
  return url;
}
