import { z } from 'zod';
import { DomainError } from '../core/errors';
import { readBody } from './body';
import type { Exchange } from './exchange';
import { parseJson } from './json';
import type { OperationRequest } from './operations';

/** The largest body of a GraphQL request, in bytes, and how long it may take to come, in milliseconds. */
const bounds = { maxBytes: 256_000, maxMs: 10_000 } as const;

/** A refusal whose HTTP status says more than that of its code. */
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

/**
 * The JSON that a request brings.
 * @throws DomainError if it is of another type, too large, too slow, empty or no JSON
 */
export async function readJsonBody(exchange: Exchange): Promise<unknown> {
  const [type = '', ...parameters] = (exchange.request.headers['content-type'] ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  const charset = parameters.find((parameter) => parameter.startsWith('charset=')) ?? 'charset=utf-8';
  if (type !== 'application/json' || !/^charset="?utf-8"?$/.test(charset)) {
    throw new Unacceptable(415, 'Send the query as application/json in UTF-8.');
  }
  const text = await readBody(exchange, bounds.maxBytes, bounds.maxMs);
  if (text.trim() === '')
    throw new DomainError('INVALID_INPUT', 'The request has no body; send { "query": "…" }.');
  return parseJson(text);
}

const operation = z.object({
  query: z.string('is text'),
  operationName: z.string('is text').nullish(),
  variables: z.record(z.string(), z.unknown(), 'is an object').nullish(),
});

/**
 * The operation in what a request brings, where no library of that protocol has looked at it yet.
 * @throws DomainError INVALID_INPUT with the field
 */
export function readOperation(given: unknown): OperationRequest {
  const { data, error } = operation.safeParse(given);
  if (data) return data;
  const field = String(error.issues[0]?.path[0] ?? 'query');
  throw new DomainError(
    'INVALID_INPUT',
    `The request's ${field} ${error.issues[0]?.message ?? 'is missing'}.`,
    { field },
  );
}
