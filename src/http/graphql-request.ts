import { HeaderMap, type HTTPGraphQLRequest } from '@apollo/server';
import { DomainError } from '../core/errors';
import type { Exchange } from './exchange';
import { readJsonBody } from './graphql-body';
import { isRecord, parseJson } from './json';
import { names } from './media-types';
import type { OperationRequest } from './operations';

/** How many operations one request may bring, where batches are taken at all. */
const mostInBatch = 10;

/** A request as Apollo takes it, and the operations in it, as far as they can be weighed before their form is checked. */
export interface GraphQLRequest {
  readonly http: HTTPGraphQLRequest;
  readonly operations: readonly OperationRequest[];
}

/** What {@link readGraphQLRequest} needs. */
export interface RequestReading {
  readonly batching: boolean;
  /** Puts in the queries that are only named. */
  readonly complete: <Request>(request: Request) => Request;
}

/**
 * Reads a request.
 * @throws DomainError if its body cannot be read, a batch is too large, or a query is not known or not allowed
 */
export async function readGraphQLRequest(
  exchange: Exchange,
  reading: RequestReading,
): Promise<GraphQLRequest> {
  const { method = '' } = exchange.request;
  const headers = headersOf(exchange);
  if (method !== 'POST') return readGet(exchange, headers, reading);
  const given = await readJsonBody(exchange);
  const isBatch = Array.isArray(given) && reading.batching;
  if (isBatch) checkBatch(given);
  const body: unknown = isBatch ? given.map(reading.complete) : reading.complete(given);
  const parts: readonly unknown[] = isBatch ? (body as unknown[]) : [body];
  return { http: { method, headers, search: '', body }, operations: parts.flatMap(operationIn) };
}

function checkBatch(given: readonly unknown[]): void {
  if (given.length >= 1 && given.length <= mostInBatch) return;
  throw new DomainError(
    'INVALID_INPUT',
    `A batch has 1 to ${mostInBatch} operations; this has ${given.length}.`,
    {
      details: { given: given.length, minimum: 1, maximum: mostInBatch },
    },
  );
}

function readGet(exchange: Exchange, headers: HeaderMap, { complete }: RequestReading): GraphQLRequest {
  // Apollo lets a GET pass if a header shows that no other site's page can have sent it. That no browser says that
  // one did (see Origins), and that the answer is asked for by its name, shows as much to us.
  const { accept } = exchange.request.headers;
  const types = ['application/json', 'application/graphql-response+json'];
  if (types.some((type) => names(accept, type))) headers.set('apollo-require-preflight', 'true');
  const search = new URLSearchParams(exchange.query);
  const given = Object.fromEntries(search) as Record<string, unknown>;
  const extensions = typeof given.extensions === 'string' ? parseJson(given.extensions) : undefined;
  const { query, ...rest } = complete<Record<string, unknown>>({ ...given, extensions });
  if (typeof query === 'string') search.set('query', query);
  if (rest.extensions === undefined) search.delete('extensions');
  const variables = parseJson(search.get('variables') ?? '{}');
  return {
    http: { method: exchange.request.method ?? '', headers, search: search.toString(), body: undefined },
    operations: operationIn({ query, variables, operationName: search.get('operationName') }),
  };
}

function headersOf({ request }: Exchange): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  return map;
}

function operationIn(given: unknown): OperationRequest[] {
  if (!isRecord(given) || typeof given.query !== 'string') return [];
  const { query, operationName, variables } = given;
  return [
    {
      query,
      operationName: typeof operationName === 'string' ? operationName : null,
      variables: isRecord(variables) ? variables : null,
    },
  ];
}
