import { DomainError } from '../../core/errors';
import type { Exchange } from '../exchange';
import { readJsonBody, readParameters } from './graphql-body';

/** Maximum number of operations per request if batching is enabled. */
const maxBatchSize = 10;

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
  if (exchange.request.method !== 'POST') return { isBatch: false, operations: [readParameters(exchange)] };
  const given = await readJsonBody(exchange);
  if (!Array.isArray(given)) return { isBatch: false, operations: [given] };
  if (batching) checkBatch(given);
  return { isBatch: true, operations: batching ? given : [] };
}

function checkBatch(given: readonly unknown[]): void {
  if (given.length >= 1 && given.length <= maxBatchSize) return;
  throw new DomainError(
    'INVALID_INPUT',
    `A batch must have 1 to ${maxBatchSize} operations; received ${given.length}.`,
    {
      details: { given: given.length, minimum: 1, maximum: maxBatchSize },
    },
  );
}
