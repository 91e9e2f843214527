import type { Answer } from './tiny-gateway';

/** Credentials and headers of a request. */
export interface AskOptions {
  variables?: unknown;
  headers?: Readonly<Record<string, string>>;
}

/** Sends requests with a token, with an API key, or unauthenticated. */
export async function askAs(
  url: string,
  proof: string | null,
  query: string,
  { variables, headers }: AskOptions = {},
): Promise<Answer> {
  const startedMs = performance.now();
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(proof !== null && { authorization: `Bearer ${proof}` }),
      ...headers,
    },
    body: JSON.stringify({ query, variables }),
  });
  const answer = (await response.json()) as Omit<Answer, 'status' | 'ms'>;
  return { status: response.status, ms: performance.now() - startedMs, ...answer };
}
