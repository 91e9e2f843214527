import { LRUCache } from 'lru-cache';
import type { Pool, PoolClient } from 'pg';
import { OwnerQueue } from '../core/owner-queue';
import type { PreparedStatements, ReadStatement } from '../core/sql';
import { KnownStatement, RowsQuery, type StatementResult } from './rows-query';
import { StatementNames } from './statement-names';
import { areTexts, TextQuery, type TextRequest } from './text-query';

/**
 * Limits of prepared statements, as the length of their SQL. PostgreSQL uses about fifty times that memory, in each
 * connection: 50 MB at most. Clients choose the statements of reads; the others have a limit of their own, so that ever new
 * reads do not displace them.
 */
const maxLength = { ofStatement: 64_000, ofReads: 700_000, ofOthers: 300_000 } as const;

/** The maximum number of short statements that a connection runs at once. */
export const maxShortAtOnce = 8;

/** Statements that a connection has prepared. */
interface PreparedSet {
  readonly names: Set<string>;
  /** The length of all statements. */
  length: number;
}

/** What a connection has prepared. */
interface Prepared {
  readonly reads: PreparedSet;
  readonly others: PreparedSet;
}

/** A statement that waits for a connection. */
interface Waiting extends Omit<TextRequest, 'name' | 'parameters'> {
  readonly owner: string;
  readonly name: string | null;
  readonly text: string;
  readonly parameters: readonly unknown[];
  /** Whether other statements may follow it on the same connection without waiting for its end. */
  readonly isShort: boolean;
}

/** Statements that wait, and how many connections are used for them. */
interface Queue {
  readonly waiting: OwnerQueue<Waiting>;
  connecting: number;
}

/**
 * Runs statements that PostgreSQL keeps prepared per connection, from their second use. PostgreSQL's memory is bounded: a
 * connection that has prepared too many reads, because clients send ever new queries, forgets them; one that has prepared
 * too many other statements prepares no more. Very long statements are not prepared.
 *
 * Statements of reads wait for as many connections as the pool has, and are run for one owner after the other. Short ones
 * that are prepared, of one turn of the event loop or that wait, are sent together, which saves processor time. Short ones,
 * prepared or not, use at most half of the connections, so that they cannot take all of them when they are slow: an owner
 * may have many more of them at once than of long ones.
 */
export class NamedStatements implements PreparedStatements {
  private readonly reads = new StatementNames('read', {
    maxLength: maxLength.ofStatement,
    maxSize: maxLength.ofReads,
  });
  private readonly others = new StatementNames('statement', {
    maxLength: maxLength.ofStatement,
    maxSize: maxLength.ofOthers,
  });
  /** Those of the others that were run with a name, which all connections share. */
  private readonly known = new LRUCache<string, KnownStatement>({ max: 1_000 });
  private readonly preparedBy = new WeakMap<PoolClient, Prepared>();
  private readonly long: Queue = { waiting: new OwnerQueue(), connecting: 0 };
  private readonly short: Queue = { waiting: new OwnerQueue(), connecting: 0 };
  /** The short statements of this turn of the event loop, as the connections that they need. */
  private planned = 0;

  /**
   * @param pool - returns the pool of an initialized data source
   * @param prepares - whether statements are prepared at all; not if other clients may use the same sessions
   */
  constructor(
    private readonly pool: () => Pool,
    private readonly prepares = true,
  ) {}

  text(
    { text, isShort }: ReadStatement,
    parameters: readonly unknown[],
    owner: string,
  ): Promise<string | null> {
    return new Promise((resolve, reject) => {
      const name = this.nameOf(this.reads, text);
      this.add({ owner, name, text, parameters, isShort, resolve, reject });
    });
  }

  /** The number of statements that wait for a connection. */
  get waitingCount(): number {
    return this.long.waiting.length + this.short.waiting.length;
  }

  private add(waiting: Waiting): void {
    const { max } = this.pool().options;
    const { isShort } = waiting;
    (isShort ? this.short : this.long).waiting.push(waiting.owner, waiting);
    if (isShort) this.planShort(isTextRequest(waiting) ? 1 / maxShortAtOnce : 1, Math.ceil(max / 2));
    else if (this.long.connecting < max) void this.runNext(this.long);
  }

  /**
   * Starts at the end of this turn of the event loop, when the short statements of all its requests are known.
   * @param share - the connections that one more statement needs
   */
  private planShort(share: number, maxConnections: number): void {
    this.planned += share;
    if (this.planned > share) return;
    setImmediate(() => {
      const wanted = Math.ceil(this.planned);
      this.planned = 0;
      const free = maxConnections - this.short.connecting;
      for (let count = Math.min(wanted, free); count > 0; count -= 1) void this.runNext(this.short);
    });
  }

  /** Runs what waits when a connection is free, and then what waits by then. Never rejects. */
  private async runNext(queue: Queue): Promise<void> {
    queue.connecting += 1;
    while (queue.waiting.length > 0) {
      try {
        await this.runOn(await this.pool().connect(), queue);
      } catch (error) {
        // No connection: as many statements fail as connections were asked for.
        queue.waiting.shift()?.reject(error);
      }
    }
    queue.connecting -= 1;
  }

  private async runOn(client: PoolClient, queue: Queue): Promise<void> {
    const { reads: prepared } = this.preparedOf(client);
    let isUsable = true;
    const atOnce = takePrepared(queue, prepared);
    if (atOnce.length > 0) {
      const unfinished = await TextQuery.run(client, atOnce);
      isUsable = unfinished === null;
      // Without a name each is run alone, so that it fails only by itself.
      for (const request of unfinished ?? []) this.add({ ...(request as TextRequest & Waiting), name: null });
    } else {
      const next = queue.waiting.shift();
      if (next) isUsable = await runAlone(client, next, prepared);
    }
    if (isUsable && prepared.length > maxLength.ofReads) isUsable = await forget(client, prepared);
    client.release(!isUsable);
  }

  /**
   * Runs a statement on a connection of the caller.
   * @throws an error for which {@link isOutdatedPlan} holds if a migration has changed its columns; run it again
   */
  async run(client: PoolClient, text: string, parameters: readonly unknown[]): Promise<StatementResult> {
    const { others: prepared } = this.preparedOf(client);
    const name = this.nameOf(this.others, text);
    const query = { text, values: [...parameters], rowMode: 'array' } as const;
    if (name === null || !hasSpace(prepared, name, text)) return client.query<unknown[]>(query);
    const statement = prepared.names.has(name) ? this.known.get(name) : undefined;
    try {
      const running = statement && RowsQuery.run(client, statement, parameters);
      if (running) return await running;
      const result = await client.query<unknown[]>({ name, ...query });
      note(prepared, name, text.length);
      this.known.set(name, new KnownStatement(name, result.fields));
      return result;
    } catch (error) {
      if (isOutdatedPlan(error)) this.others.clear();
      throw error;
    }
  }

  private nameOf(names: StatementNames, text: string): string | null {
    return this.prepares ? names.of(text) : null;
  }

  private preparedOf(client: PoolClient): Prepared {
    const known = this.preparedBy.get(client);
    if (known) return known;
    const prepared = { reads: emptySet(), others: emptySet() };
    this.preparedBy.set(client, prepared);
    return prepared;
  }
}

/** The next statements that a connection can run at once: those that it has prepared, and only one that is long. */
function takePrepared({ waiting }: Queue, { names }: PreparedSet): (Waiting & TextRequest)[] {
  const taken: (Waiting & TextRequest)[] = [];
  while (taken.length < maxShortAtOnce) {
    const { next } = waiting;
    if (!next || !isTextRequest(next) || !names.has(next.name)) break;
    taken.push(next);
    waiting.shift();
    if (!next.isShort) break;
  }
  return taken;
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

function emptySet(): PreparedSet {
  return { names: new Set(), length: 0 };
}

function hasSpace({ names, length }: PreparedSet, name: string, text: string): boolean {
  return names.has(name) || length + text.length <= maxLength.ofOthers;
}

function note(prepared: PreparedSet, name: string, length: number): void {
  if (prepared.names.has(name)) return;
  prepared.names.add(name);
  prepared.length += length;
}

/** Runs a statement, and prepares it if it has a name. Never rejects. Returns whether the connection can be used again. */
async function runAlone(
  client: PoolClient,
  { name, text, parameters, resolve, reject }: Waiting,
  prepared: PreparedSet,
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

/** Deallocates statements. Never rejects. Returns whether the connection can be used again. */
async function forget(client: PoolClient, prepared: PreparedSet): Promise<boolean> {
  const names = [...prepared.names];
  try {
    await client.query(names.map((name) => `DEALLOCATE ${name}`).join('; '));
  } catch {
    return false;
  }
  // Otherwise `pg` would not prepare them again.
  const { parsedStatements } = (client as unknown as PreparingClient).connection;
  for (const name of names) Reflect.deleteProperty(parsedStatements, name);
  prepared.names.clear();
  prepared.length = 0;
  return true;
}

/** The part of a client of `pg` that knows what it has prepared, by name. It is not part of its types. */
interface PreparingClient {
  readonly connection: { readonly parsedStatements: Record<string, string> };
}
