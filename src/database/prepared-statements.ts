import { LRUCache } from 'lru-cache';
import type { Pool, PoolClient } from 'pg';
import type { PreparedStatements } from '../core/sql';
import { areTexts, TextQuery } from './text-query';

/**
 * Limits of prepared statements, as the length of their SQL. PostgreSQL uses about fifty times that memory, in each
 * connection: 50 MB at most.
 */
const maxLength = { ofStatement: 64_000, ofConnection: 1_000_000 } as const;

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

/**
 * Runs statements that PostgreSQL keeps prepared per connection, from their second use. PostgreSQL's memory is bounded: a
 * connection that has prepared too much, because clients send ever new queries, is closed and replaced. Very long
 * statements are not prepared.
 */
export class NamedStatements implements PreparedStatements {
  private readonly known = new LRUCache<string, Known>({
    maxSize: maxLength.ofConnection,
    sizeCalculation: (_known, text) => text.length,
  });
  private readonly preparedBy = new WeakMap<PoolClient, Prepared>();
  private names = 0;

  /** @param pool - returns the pool of an initialized data source */
  constructor(private readonly pool: () => Pool) {}

  async text(text: string, parameters: readonly unknown[]): Promise<string | null> {
    const name = this.nameOf(text);
    const client = await this.pool().connect();
    // A lost connection rejects the query, and also emits an event, which would end the process without a listener.
    client.on('error', ignoreError);
    let isUsable = false;
    try {
      const prepared = this.preparedOf(client);
      const result =
        name !== null && prepared.names.has(name) && areTexts(parameters)
          ? await TextQuery.run(client, name, parameters)
          : await queryText(client, name, text, parameters);
      if (name !== null) note(prepared, name, text.length);
      isUsable = prepared.length <= maxLength.ofConnection;
      return result;
    } finally {
      client.off('error', ignoreError);
      client.release(!isUsable);
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
      known.name = `read_${this.names}`;
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

function note(prepared: Prepared, name: string, length: number): void {
  if (prepared.names.has(name)) return;
  prepared.names.add(name);
  prepared.length += length;
}

async function queryText(
  client: PoolClient,
  name: string | null,
  text: string,
  parameters: readonly unknown[],
): Promise<string | null> {
  const { rows } = await client.query<[string | null]>({
    ...(name !== null && { name }),
    ...{ text, values: [...parameters], rowMode: 'array' },
  });
  return rows[0]![0];
}

function ignoreError(): void {
  // The query reports it.
}
