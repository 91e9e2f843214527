import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { DomainError } from '../../core/errors';
import type { OperationRequest } from './operation-request';

const file = z.record(z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hexadecimal'), z.string());

/** How many queries an operator may list. */
const maxListed = 10_000;

/** What {@link PersistedQueries} needs. */
export interface PersistedQueriesOptions {
  /** The operator's list, by SHA-256. \@defaultValue empty */
  readonly listed?: ReadonlyMap<string, string>;
  /** Whether all other queries are refused, and none is registered. \@defaultValue false */
  readonly isOnly?: boolean;
  /** How much memory registered queries may take, in bytes; the least recently used are forgotten. */
  readonly maxBytes: number;
}

/**
 * Queries that clients name by their SHA-256 instead of sending them: those that the operator has listed, and those
 * that clients register by sending hash and query together (Apollo's automatic persisted queries).
 */
export class PersistedQueries {
  private readonly listed: ReadonlyMap<string, string>;
  private readonly isOnly: boolean;
  private readonly registered: LRUCache<string, string>;

  constructor(options: PersistedQueriesOptions) {
    this.listed = options.listed ?? new Map();
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
    // Some clients send an empty query beside the hash.
    if (hash !== null && !query) return this.find(hash);
    if (query == null) {
      throw new DomainError('INVALID_INPUT', "The request's query is missing.", { field: 'query' });
    }
    if (hash !== null || this.isOnly) this.check(query, hash);
    return query;
  }

  /** Remembers a valid query whose hash {@link queryOf} has checked. */
  register(hash: string, query: string): void {
    if (!this.isOnly && !this.listed.has(hash)) this.registered.set(hash, query);
  }

  private check(query: string, hash: string | null): void {
    const actual = sha256(query);
    if (hash !== null && hash !== actual) {
      throw new DomainError('INVALID_INPUT', 'The query has another SHA-256 than the request says.', {
        field: 'query',
      });
    }
    if (this.isOnly && !this.listed.has(actual)) throw notAllowed();
  }

  private find(hash: string): string {
    const query = this.listed.get(hash) ?? this.registered.get(hash);
    if (query === undefined) throw unknown();
    return query;
  }
}

/**
 * Reads an operator's list: `{ "<sha256 of the query>": "<query>" }`.
 * @throws Error naming the file, if it cannot be read or an entry does not match its hash
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

function notAllowed(): DomainError {
  return new DomainError(
    'QUERY_NOT_ALLOWED',
    'Only the queries that the operator has listed are answered here. Name one by its SHA-256.',
  );
}

/** The message is that of the protocol: some clients compare it before they send the query itself. */
function unknown(): DomainError {
  return new DomainError('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
}
