import type { TypedDocument } from './documents.ts';
import { errorOf } from './error-classes.ts';
import { ConnectionFailedError, LikenessError, UnexpectedAnswerError, type Extensions } from './errors.ts';
import { link, retries, withTimeout, type RetryPolicy } from './waiting.ts';

/** Options of a call. */
export interface CallOptions {
  /** Ends the call, which rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
  /**
   * Whether the call may be repeated if its answer was lost.
   * @defaultValue true for queries, and for mutations with `input.idempotencyKey`
   */
  isRepeatable?: boolean;
}

/** What calls and uploads share. */
export interface Transport {
  /** Without a trailing slash. */
  url: string;
  fetch: typeof fetch;
  headers: () => Promise<Record<string, string>>;
  timeoutMs: number;
  retryForMs: number;
  policy: RetryPolicy;
  onAnswer: () => void;
  /** Aborted by `close`. */
  closed: AbortSignal;
}

interface GraphQLAnswer<Data> {
  data?: Data | null;
  errors?: { message: string; extensions?: Extensions }[];
}

/**
 * Sends a query or mutation, and repeats it if that is safe.
 * @throws LikenessError of the class of its code; the reason of the signal
 */
export async function sendOperation<Data, Variables>(
  transport: Transport,
  document: string | TypedDocument<Data, Variables>,
  variables: Variables | undefined,
  { signal, isRepeatable }: CallOptions = {},
): Promise<Data> {
  const query = textOf(document);
  const isSafe = isRepeatable ?? (!/\bmutation\b/.test(query) || hasKey(variables));
  const body = JSON.stringify({ query, variables });
  return untilAnswered(transport, { signal, isRepeatable: isSafe }, async (limit) => {
    const headers = await transport.headers();
    const answer = await requestJson(transport, `${transport.url}/graphql`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'application/json' },
      body,
      signal: limit,
    });
    return dataOf(answer as GraphQLAnswer<Data>);
  });
}

/** Repeats work until it is answered. */
export async function untilAnswered<Result>(
  transport: Transport,
  { signal, isRepeatable = true }: CallOptions,
  work: (signal: AbortSignal, restart: () => void) => Promise<Result>,
): Promise<Result> {
  const { closed, policy, retryForMs, timeoutMs, onAnswer } = transport;
  const call = new AbortController();
  const unlink = link([signal, closed], call);
  const retry = retries(policy, { retryForMs: isRepeatable ? retryForMs : 0, signal: call.signal });
  try {
    for (;;) {
      try {
        const result = await withTimeout(timeoutMs, call.signal, work);
        onAnswer();
        return result;
      } catch (error) {
        await retry.after(error);
      }
    }
  } finally {
    unlink();
  }
}

/**
 * Sends a request, and reads the JSON of its answer.
 * @throws ConnectionFailedError, UnexpectedAnswerError
 */
async function requestJson(
  { fetch: send }: Transport,
  url: string,
  init: RequestInit & { signal: AbortSignal },
): Promise<object> {
  try {
    const response = await send(url, init);
    return parseJson(response.status, await response.text());
  } catch (error) {
    if (error instanceof LikenessError || init.signal.aborted) throw error;
    throw connectionFailed(url, error);
  }
}

/** The JSON of an answer. Proxies answer with other types. */
export function parseJson(status: number, text: string): object {
  try {
    const json: unknown = JSON.parse(text);
    if (typeof json === 'object' && json !== null) return json;
  } catch {
    // Handled below.
  }
  const message = `The answer with status ${status} is not JSON.`;
  throw status >= 500 || status === 429 || status === 408
    ? new ConnectionFailedError(message)
    : new UnexpectedAnswerError(`${message} Check the URL of the server.`);
}

/** The error of a request without an answer. */
export function connectionFailed(url: string, cause: unknown): ConnectionFailedError {
  const { code } = ((cause as Error).cause ?? {}) as { code?: unknown };
  const reason = typeof code === 'string' ? code : (cause as Error).message;
  return new ConnectionFailedError(`${new URL(url).origin} did not answer: ${reason}`, { cause });
}

/** @throws LikenessError for an answer with errors */
export function dataOf<Data>({ data, errors, ...rest }: GraphQLAnswer<Data>): Data {
  const [error] = errors ?? [];
  if (error) throw errorOf(error.message, error.extensions ?? { code: 'INTERNAL_SERVER_ERROR' });
  if (data) return data;
  const { code, message } = rest as { code?: unknown; message?: unknown };
  if (typeof code === 'string') throw errorOf(String(message), { ...rest, code });
  throw new UnexpectedAnswerError('This is not the answer of a Likeness server. Check its URL.');
}

/** The text of a document. */
export function textOf(document: { toString(): string }): string {
  const text = document.toString();
  if (text.includes('{')) return text;
  throw new TypeError("A document must be text: set `documentMode: 'string'` in GraphQL Code Generator.");
}

function hasKey(variables: unknown): boolean {
  const { input } = (variables ?? {}) as { input?: { idempotencyKey?: unknown } | null };
  return typeof input?.idempotencyKey === 'string';
}
