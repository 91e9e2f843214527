import { DomainError } from '../../core/errors';
import { readBody } from '../body';
import type { Exchange } from '../exchange';
import { parseJson } from '../json';

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

/**
 * The request that the parameters of a GET make, in the form of a POST's JSON.
 * @throws DomainError INVALID_INPUT if `variables` or `extensions` are not JSON
 */
export function readParameters({ query: parameters }: Exchange): Record<string, unknown> {
  const jsonOf = (name: string): unknown => parseJson(parameters.get(name) ?? 'null');
  return {
    ...Object.fromEntries(parameters),
    variables: jsonOf('variables'),
    extensions: jsonOf('extensions'),
  };
}

/** The refusal of a mutation by GET, which links and pages may send unasked; answered 405. */
export function mutationByGet(): DomainError {
  return new DomainError('INVALID_INPUT', 'A mutation is sent by POST, not GET.');
}
