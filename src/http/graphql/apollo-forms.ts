import { HeaderMap } from '@apollo/server';
import { parse, type FormattedExecutionResult } from 'graphql';
import { names } from '../media-types';
import type { Exchange } from '../router';
import { ResponseText } from './response-text';

/** Apollo passes `data` to {@link stringify} as it is. */
export function resultForApollo(
  result: FormattedExecutionResult,
): FormattedExecutionResult<Record<string, unknown>> {
  return result instanceof ResponseText ? { data: result as unknown as Record<string, unknown> } : result;
}

/** The text of a result. */
export function stringify(result: FormattedExecutionResult): string {
  const { data }: { data?: unknown } = result;
  return `${data instanceof ResponseText ? data.text : JSON.stringify(result)}\n`;
}

/** The placeholder query that Apollo receives. */
export const placeholder = { text: '{ __typename }', document: parse('{ __typename }') };

/** The headers of a request for Apollo. */
export function headersOf({ request }: Exchange): HeaderMap {
  const map = new HeaderMap();
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) map.set(name, Array.isArray(value) ? value.join(', ') : value);
  }
  // Apollo's CSRF prevention requires a header that cross-site pages cannot send without preflight. The checks of Origins
  // and an explicit JSON type in Accept are considered equivalent.
  const types = ['application/json', 'application/graphql-response+json'];
  const isNamed = types.some((type) => names(request.headers.accept, type));
  if (request.method === 'GET' && isNamed) map.set('apollo-require-preflight', 'true');
  return map;
}
