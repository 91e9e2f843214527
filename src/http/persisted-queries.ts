import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { DomainError } from '../core/errors';
import { isRecord } from './json';

const file = z.record(z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hexadecimal'), z.string());

/** What {@link PersistedQueries} may hold: an allow-list is made by a build, not by hand, but it has its bounds. */
const mostQueries = 10_000;

/**
 * Queries that clients may name by their SHA-256 instead of sending them: as `extensions.persistedQuery.sha256Hash`,
 * which Apollo's clients do, or as `documentId: "sha256:…"`, which Relay's and the draft of GraphQL over HTTP do.
 * As an allow-list they are also all that may be asked.
 */
export class PersistedQueries {
  /** @param isOnly - whether all other queries are refused */
  constructor(
    private readonly queries: ReadonlyMap<string, string>,
    private readonly isOnly: boolean,
  ) {}

  /**
   * Reads `{ "<sha256 of the query>": "<query>" }`.
   * @throws Error naming the file, if it cannot be read or an entry is not what its hash says
   */
  static load(path: string, isOnly: boolean): PersistedQueries {
    const queries = new Map(Object.entries(readEntries(path)));
    if (queries.size > mostQueries) throw unusable(path, `it has more than ${mostQueries} queries`);
    const wrong = [...queries].find(([hash, query]) => sha256(query) !== hash);
    if (wrong) throw unusable(path, `the query under ${wrong[0]} has another SHA-256`);
    return new PersistedQueries(queries, isOnly);
  }

  /**
   * The request with the query that it names.
   * @param request - as it came; what is no object is left to those who check its form
   * @throws DomainError PERSISTED_QUERY_NOT_FOUND, QUERY_NOT_ALLOWED, INVALID_INPUT
   */
  complete<Request>(request: Request): Request {
    if (!isRecord(request)) return request;
    const hash = hashIn(request);
    if (hash === null) {
      this.check(request.query);
      return request;
    }
    const query = this.queries.get(hash);
    if (query === undefined) throw unknown();
    if (request.query != null && request.query !== '' && request.query !== query) {
      throw new DomainError('INVALID_INPUT', 'The query has another SHA-256 than the request says.', {
        field: 'query',
      });
    }
    // Whoever reads it next has no persisted queries of its own.
    const { extensions: _extensions, documentId: _documentId, ...rest } = request;
    return { ...rest, query } as Request;
  }

  private check(query: unknown): void {
    if (!this.isOnly || typeof query !== 'string' || this.queries.has(sha256(query))) return;
    throw new DomainError(
      'QUERY_NOT_ALLOWED',
      'Only the queries that the operator has listed are answered here. Name one by its SHA-256.',
    );
  }
}

function hashIn({ extensions, documentId }: Record<string, unknown>): string | null {
  if (typeof documentId === 'string') return documentId.replace(/^sha256:/, '');
  const persisted = isRecord(extensions) ? extensions.persistedQuery : undefined;
  return isRecord(persisted) && typeof persisted.sha256Hash === 'string' ? persisted.sha256Hash : null;
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

function unknown(): DomainError {
  return new DomainError(
    'PERSISTED_QUERY_NOT_FOUND',
    'There is no persisted query with this SHA-256 here. Send the query itself, or have the operator list it.',
  );
}
