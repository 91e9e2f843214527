import { z } from 'zod';
import { DomainError } from '../../core/errors';
import { readBody } from '../body';
import type { Exchange } from '../router';

/** Maximum size of a GraphQL request body in bytes and maximum time to receive it in milliseconds. */
const limits = { maxBytes: 256_000, maxMs: 10_000 } as const;

/** Maximum number of operations per request if batching is enabled. */
export const maxBatchSize = 10;

/** The operations of an HTTP request. */
export interface GraphQLRequest {
  readonly isBatch: boolean;
  /** The operations, not yet validated. */
  readonly operations: readonly unknown[];
}

/**
 * Reads a request.
 * @param batching - whether it may contain several operations
 * @throws DomainError if its body cannot be read, or a batch is empty or too large
 */
export async function readGraphQLRequest(exchange: Exchange, batching: boolean): Promise<GraphQLRequest> {
  const given = await readOperationJson(exchange);
  if (!Array.isArray(given)) return { isBatch: false, operations: [given] };
  if (batching) checkBatch(given);
  return { isBatch: true, operations: batching ? given : [] };
}

function checkBatch(given: readonly unknown[]): void {
  if (given.length >= 1 && given.length <= maxBatchSize) return;
  throw new DomainError(
    'INVALID_INPUT',
    `A batch must have 1 to ${maxBatchSize} operations; received ${given.length}.`,
    { details: { given: given.length, minimum: 1, maximum: maxBatchSize } },
  );
}

/**
 * Reads the JSON of a POST request, or the parameters of a GET request in the same form.
 * @throws DomainError if it cannot be read
 */
export async function readOperationJson(exchange: Exchange): Promise<unknown> {
  return exchange.request.method === 'POST' ? readJsonBody(exchange) : readParameters(exchange);
}

/**
 * Reads the JSON body of a request.
 * @throws DomainError if it has another type, is too large, too slow, empty or malformed
 */
async function readJsonBody(exchange: Exchange): Promise<unknown> {
  const [type = '', ...parameters] = (exchange.request.headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset=')) ?? 'charset=utf-8';
  if (type !== 'application/json' || !/^charset="?utf-8"?$/.test(charset)) {
    throw new Unacceptable(415, 'Send the query as application/json in UTF-8.');
  }
  const text = await readBody(exchange, limits.maxBytes, limits.maxMs);
  if (text.trim() === '')
    throw new DomainError('INVALID_INPUT', 'The request has no body; send { "query": "…" }.');
  return parseJson(text);
}

/**
 * Converts the parameters of a GET request to the JSON form of a POST request.
 * @throws DomainError INVALID_INPUT if `variables` or `extensions` are not JSON
 */
function readParameters({ query: parameters }: Exchange): Record<string, unknown> {
  const jsonOf = (name: string): unknown => parseJson(parameters.get(name) ?? 'null');
  return {
    ...Object.fromEntries(parameters),
    variables: jsonOf('variables'),
    extensions: jsonOf('extensions'),
  };
}

/** An error whose HTTP status is more specific than that of its code. */
export class Unacceptable extends DomainError {
  constructor(
    private readonly status: 406 | 415,
    message: string,
  ) {
    super('INVALID_INPUT', message);
  }

  override get httpStatus(): number {
    return this.status;
  }
}

/** The error for a mutation by GET (405), because links and foreign pages can trigger GET requests. */
export function mutationByGet(): DomainError {
  return new DomainError('INVALID_INPUT', 'Mutations must be sent by POST.');
}

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

/** Maximum number of fields of all objects in variables. graphql-js repeats an object in each of its errors, up to 50. */
const maxVariableFields = 2_000;

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
  if (countFields(variables) > maxVariableFields) {
    const message = `The request's variables have more than ${maxVariableFields} fields.`;
    throw new DomainError('INVALID_INPUT', message, { field: 'variables' });
  }
  return { query, operationName, variables, hash: hashIn(extensions, documentId) };
}

/** The number of fields of all objects in JSON. Its nesting is limited by {@link parseJson}. */
function countFields(json: unknown): number {
  if (typeof json !== 'object' || json === null) return 0;
  const values: unknown[] = Object.values(json);
  return values.reduce<number>(
    (total, value) => total + countFields(value),
    Array.isArray(json) ? 0 : values.length,
  );
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

/** Maximum nesting of arrays and objects. Inputs need about five levels; deep nesting overflows recursive functions. */
const maxJsonDepth = 32;
const openingBracket = '['.charCodeAt(0);
const openingBrace = '{'.charCodeAt(0);

/**
 * Parses untrusted JSON.
 * @throws DomainError INVALID_INPUT if it is malformed or nested too deeply
 */
export function parseJson(text: string): unknown {
  if (isNestedTooDeeply(text)) {
    throw new DomainError('INVALID_INPUT', `The JSON is nested deeper than ${maxJsonDepth} levels.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw new DomainError('INVALID_INPUT', 'Malformed JSON.');
  }
}

/** Whether the value is an object and not an array. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Checked before parsing, because JSON.parse fails on deep nesting. Brackets within strings do not count. */
function isNestedTooDeeply(text: string): boolean {
  if (!hasMoreBrackets(text, maxJsonDepth)) return false;
  let depth = 0;
  for (const [token] of text.matchAll(/"(?:[^"\\]+|\\.)*"?|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1;
    else if (token === ']' || token === '}') depth -= 1;
    if (depth > maxJsonDepth) return true;
  }
  return false;
}

/** Whether the text has more than `max` opening brackets, wherever they are. */
function hasMoreBrackets(text: string, max: number): boolean {
  let count = 0;
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === openingBracket || code === openingBrace) count += 1;
    if (count > max) return true;
  }
  return false;
}
