import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { DomainError } from '../../core/errors';
import type { OperationRequest } from './graphql-request';

const file = z.record(z.string().regex(/^[0-9a-f]{64}$/, 'is not a SHA-256 in hexadecimal'), z.string());

/** Maximum number of queries in the operator's list. */
const maxListed = 10_000;

export interface PersistedQueriesOptions {
  /**
   * The operator's list, by SHA-256.
   * @defaultValue empty
   */
  readonly listed?: ReadonlyMap<string, string>;
  /**
   * Whether all other queries are refused and clients cannot register queries.
   * @defaultValue false
   */
  readonly isOnly?: boolean;
  /** Maximum memory for registered queries in bytes; least recently used ones are evicted. */
  readonly maxBytes: number;
}

/**
 * Queries that clients reference by SHA-256: those in the operator's list, and those that clients register by sending
 * hash and query together (Apollo's automatic persisted queries).
 */
export class PersistedQueries {
  private readonly listed: ReadonlyMap<string, string>;
  private readonly listedQueries: ReadonlySet<string>;
  private readonly isOnly: boolean;
  private readonly registered: LRUCache<string, string>;

  constructor(options: PersistedQueriesOptions) {
    this.listed = options.listed ?? new Map();
    this.listedQueries = new Set(this.listed.values());
    this.isOnly = options.isOnly ?? false;
    this.registered = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (query) => 2 * query.length + 200,
    });
  }

  /**
   * The text of the request's query.
   * @throws DomainError PERSISTED_QUERY_NOT_FOUND, QUERY_NOT_ALLOWED, INVALID_INPUT
   */
  queryOf({ query, hash }: OperationRequest): string {
    // Some clients send an empty query together with the hash.
    if (hash !== null && !query) return this.find(hash);
    if (query == null) {
      throw new DomainError('INVALID_INPUT', "The request's query is missing.", { field: 'query' });
    }
    if (hash !== null || this.isOnly) this.check(query, hash);
    return query;
  }

  /** Whether the query is in the operator's list. */
  isListed(query: string): boolean {
    return this.listedQueries.has(query);
  }

  /** Registers a valid query whose hash was verified by {@link queryOf}. */
  register(hash: string, query: string): void {
    if (!this.isOnly && !this.listed.has(hash)) this.registered.set(hash, query);
  }

  private check(query: string, hash: string | null): void {
    const actual = sha256(query);
    if (hash !== null && hash !== actual) {
      throw new DomainError(
        'INVALID_INPUT',
        'The SHA-256 of the query does not match the hash in the request.',
        { field: 'query' },
      );
    }
    if (this.isOnly && !this.listed.has(actual)) {
      const message = 'Only queries in the operator’s list are allowed. Send the SHA-256 of one.';
      throw new DomainError('QUERY_NOT_ALLOWED', message);
    }
  }

  private find(hash: string): string {
    const query = this.listed.get(hash) ?? this.registered.get(hash);
    if (query !== undefined) return query;
    // The message is defined by the protocol; some clients check it before they send the query.
    throw new DomainError('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
  }
}

/**
 * Reads the operator's list: `{ "<sha256 of the query>": "<query>" }`.
 * @throws Error naming the file if it cannot be read or an entry does not match its hash
 */
export function loadListedQueries(path: string): ReadonlyMap<string, string> {
  const queries = new Map(Object.entries(readEntries(path)));
  if (queries.size > maxListed) throw unusable(path, `it has more than ${maxListed} queries`);
  const wrong = [...queries].find(([hash, query]) => sha256(query) !== hash);
  if (wrong) throw unusable(path, `the query under ${wrong[0]} has another SHA-256`);
  return queries;
}

function readEntries(path: string): Record<string, string> {
  try {
    return file.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw unusable(
      path,
      error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message,
      error,
    );
  }
}

function unusable(path: string, why: string, cause?: unknown): Error {
  return new Error(
    `PERSISTED_QUERIES ${path} cannot be used: ${why}. It is JSON: { "<sha256 of the query>": "<query>" }.`,
    { cause },
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
