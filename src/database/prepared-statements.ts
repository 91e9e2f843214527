import { LRUCache } from 'lru-cache';
import type { Pool, PoolClient } from 'pg';
import type { PreparedStatements, ReadStatement } from '../core/sql';
import { areTexts, TextQuery, type TextRequest } from './text-query';

/**
 * Limits of prepared statements, as the length of their SQL. PostgreSQL uses about fifty times that memory, in each
 * connection: 50 MB at most.
 */
const maxLength = { ofStatement: 64_000, ofConnection: 1_000_000 } as const;

/** The maximum number of short statements that a connection runs at once. */
const maxAtOnce = 8;

/** A statement that was run at least once. */
interface Known {
  /** Null before its second use. */
  name: string | null;
}

/** What a connection has prepared. */
interface Prepared {
  readonly names: Set<string>;
  /** The length of all statements. */
  length: number;
}

/** A statement that waits for a connection. */
interface Waiting extends Omit<TextRequest, 'name' | 'parameters'> {
  readonly name: string | null;
  readonly text: string;
  readonly parameters: readonly unknown[];
  /** Whether other statements may follow it on the same connection without waiting for its end. */
  readonly isShort: boolean;
}

/**
 * Runs statements that PostgreSQL keeps prepared per connection, from their second use. PostgreSQL's memory is bounded: a
 * connection that has prepared too much, because clients send ever new queries, is replaced, or prepares no more. Very
 * long statements are not prepared.
 *
 * Statements of reads wait in the order of their calls, for as many connections as the pool has. Short ones that wait are
 * sent together, which saves processor time under load.
 */
export class NamedStatements implements PreparedStatements {
  private readonly known = new LRUCache<string, Known>({
    maxSize: maxLength.ofConnection,
    sizeCalculation: (_known, text) => text.length,
  });
  private readonly preparedBy = new WeakMap<PoolClient, Prepared>();
  private readonly waiting: Waiting[] = [];
  private names = 0;
  private connecting = 0;

  /** @param pool - returns the pool of an initialized data source */
  constructor(private readonly pool: () => Pool) {}

  text({ text, isShort }: ReadStatement, parameters: readonly unknown[]): Promise<string | null> {
    return new Promise((resolve, reject) => {
      this.add({ name: this.nameOf(text), text, parameters, isShort, resolve, reject });
    });
  }

  private add(waiting: Waiting): void {
    this.waiting.push(waiting);
    const pool = this.pool();
    if (this.connecting < pool.options.max) void this.runNext(pool);
  }

  /** Runs what waits when a connection is free, and then what waits by then. Never rejects. */
  private async runNext(pool: Pool): Promise<void> {
    this.connecting += 1;
    while (this.waiting.length > 0) {
      try {
        await this.runOn(await pool.connect());
      } catch (error) {
        // No connection: as many statements fail as connections were asked for.
        this.waiting.shift()?.reject(error);
      }
    }
    this.connecting -= 1;
  }

  private async runOn(client: PoolClient): Promise<void> {
    // A lost connection rejects the query, and also emits an event, which would end the process without a listener.
    client.on('error', ignoreError);
    const prepared = this.preparedOf(client);
    let isUsable = true;
    const atOnce = this.takeShort(prepared);
    if (atOnce.length > 0) {
      const unfinished = await TextQuery.run(client, atOnce);
      isUsable = unfinished === null;
      // Each is run alone, so that it fails only by itself.
      for (const request of unfinished ?? [])
        this.add({ ...(request as TextRequest & Waiting), isShort: false });
    } else {
      const next = this.waiting.shift();
      if (next) isUsable = await runAlone(client, next, prepared);
    }
    client.off('error', ignoreError);
    client.release(!isUsable || prepared.length > maxLength.ofConnection);
  }

  /** The next statements that the connection can run at once: those that it has prepared, as long as they are short. */
  private takeShort({ names }: Prepared): (Waiting & TextRequest)[] {
    const taken: (Waiting & TextRequest)[] = [];
    while (taken.length < maxAtOnce) {
      const [next] = this.waiting;
      if (!next || !isTextRequest(next) || !names.has(next.name)) break;
      if (taken.length > 0 && !next.isShort) break;
      taken.push(next);
      this.waiting.shift();
      if (!next.isShort) break;
    }
    return taken;
  }

  /**
   * Runs a statement on a connection of the caller.
   * @throws an error for which {@link isOutdatedPlan} holds if a migration has changed its columns; run it again
   */
  async rows<Row>(client: PoolClient, text: string, parameters: readonly unknown[]): Promise<Row[]> {
    const prepared = this.preparedOf(client);
    const name = this.nameOf(text);
    const values = [...parameters];
    if (name === null || !hasSpace(prepared, name, text)) {
      const { rows } = await client.query<Row & object>(text, values);
      return rows;
    }
    try {
      const { rows } = await client.query<Row & object>({ name, text, values });
      note(prepared, name, text.length);
      return rows;
    } catch (error) {
      // All statements get other names.
      if (isOutdatedPlan(error)) this.known.clear();
      throw error;
    }
  }

  private nameOf(text: string): string | null {
    if (text.length > maxLength.ofStatement) return null;
    const known = this.known.get(text);
    if (!known) {
      this.known.set(text, { name: null });
      return null;
    }
    if (known.name === null) {
      this.names += 1;
      known.name = `statement_${this.names}`;
    }
    return known.name;
  }

  private preparedOf(client: PoolClient): Prepared {
    const known = this.preparedBy.get(client);
    if (known) return known;
    const prepared = { names: new Set<string>(), length: 0 };
    this.preparedBy.set(client, prepared);
    return prepared;
  }
}

function isTextRequest(waiting: Waiting): waiting is Waiting & TextRequest {
  return waiting.name !== null && areTexts(waiting.parameters);
}

/**
 * Whether a prepared statement returns other columns than when it was prepared, because a migration of a newer version has
 * added some. It was not executed.
 */
export function isOutdatedPlan(error: unknown): boolean {
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return code === '0A000' && message === 'cached plan must not change result type';
}

function hasSpace({ names, length }: Prepared, name: string, text: string): boolean {
  return names.has(name) || length + text.length <= maxLength.ofConnection;
}

function note(prepared: Prepared, name: string, length: number): void {
  if (prepared.names.has(name)) return;
  prepared.names.add(name);
  prepared.length += length;
}

/** Runs a statement, and prepares it if it has a name. Never rejects. Returns whether the connection can be used again. */
async function runAlone(
  client: PoolClient,
  { name, text, parameters, resolve, reject }: Waiting,
  prepared: Prepared,
): Promise<boolean> {
  try {
    const { rows } = await client.query<[string | null]>({
      ...(name !== null && { name }),
      ...{ text, values: [...parameters], rowMode: 'array' },
    });
    if (name !== null) note(prepared, name, text.length);
    resolve(rows[0]![0]);
    return true;
  } catch (error) {
    reject(error);
    return false;
  }
}

function ignoreError(): void {
  // The query reports it.
}
