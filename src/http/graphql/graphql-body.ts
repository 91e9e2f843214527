import { DomainError } from '../../core/errors';
import { readBody } from '../body';
import type { Exchange } from '../exchange';
import { parseJson } from '../json';

/** Maximum size of a GraphQL request body in bytes and maximum time to receive it in milliseconds. */
const limits = { maxBytes: 256_000, maxMs: 10_000 } as const;

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

/**
 * Reads the JSON body of a request.
 * @throws DomainError if it has another type, is too large, too slow, empty or malformed
 */
export async function readJsonBody(exchange: Exchange): Promise<unknown> {
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
export function readParameters({ query: parameters }: Exchange): Record<string, unknown> {
  const jsonOf = (name: string): unknown => parseJson(parameters.get(name) ?? 'null');
  return {
    ...Object.fromEntries(parameters),
    variables: jsonOf('variables'),
    extensions: jsonOf('extensions'),
  };
}

/** The error for a mutation by GET (405), because links and foreign pages can trigger GET requests. */
export function mutationByGet(): DomainError {
  return new DomainError('INVALID_INPUT', 'Mutations must be sent by POST.');
}
