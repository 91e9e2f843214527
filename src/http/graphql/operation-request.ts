import { z } from 'zod';
import { DomainError } from '../../core/errors';

/** An operation of a client, over any transport. */
export interface OperationRequest {
  /** Absent if the client sends only the hash of a persisted query. */
  readonly query?: string | null;
  readonly operationName?: string | null;
  readonly variables?: Readonly<Record<string, unknown>> | null;
  /** The SHA-256 of a persisted query or of `query`; not verified. */
  readonly hash: string | null;
}

const object = z.record(z.string(), z.unknown(), 'is not an object').nullish();

const operation = z.object(
  {
    query: z.string('is not text').nullish(),
    operationName: z.string('is not text').nullish(),
    variables: object,
    extensions: object,
    documentId: z.string('is not text').nullish(),
  },
  'is missing',
);

/**
 * Reads an operation from JSON, identically for HTTP, SSE and WebSocket.
 * @throws DomainError INVALID_INPUT with the field
 */
export function readOperation(given: unknown): OperationRequest {
  const { data, error } = operation.safeParse(given);
  if (!data) {
    const field = String(error.issues[0]?.path[0] ?? 'query');
    throw new DomainError('INVALID_INPUT', `The request's ${field} ${error.issues[0]!.message}.`, { field });
  }
  const { query, operationName, variables, extensions, documentId } = data;
  return { query, operationName, variables, hash: hashIn(extensions, documentId) };
}

/** Apollo clients send the hash in `extensions.persistedQuery`, Relay in `documentId`. */
function hashIn(
  extensions: Readonly<Record<string, unknown>> | null | undefined,
  documentId: string | null | undefined,
): string | null {
  if (documentId != null) return documentId.startsWith('sha256:') ? documentId.slice(7) : documentId;
  const persisted = extensions?.persistedQuery as { sha256Hash?: unknown } | null | undefined;
  return typeof persisted?.sha256Hash === 'string' ? persisted.sha256Hash : null;
}
