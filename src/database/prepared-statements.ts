import { LRUCache } from 'lru-cache';
import type { Pool, PoolClient } from 'pg';
import type { PreparedStatements } from '../core/sql';

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
  /** The names that each connection has prepared, and the length of their statements in all. */
  private readonly preparedBy = new WeakMap<PoolClient, { names: Set<string>; length: number }>();
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
      const values = [...parameters];
      const { rows } = await client.query<[string | null]>({
        ...(name !== null && { name }),
        ...{ text, values, rowMode: 'array' },
      });
      isUsable = name === null || this.note(client, name, text.length) <= maxLength.ofConnection;
      return rows[0]![0];
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

  /** Returns the length of all statements that the connection has prepared. */
  private note(client: PoolClient, name: string, length: number): number {
    const prepared = this.preparedBy.get(client) ?? { names: new Set(), length: 0 };
    this.preparedBy.set(client, prepared);
    if (!prepared.names.has(name)) prepared.length += length;
    prepared.names.add(name);
    return prepared.length;
  }
}

function ignoreError(): void {
  // The query reports it.
}
