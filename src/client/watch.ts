import { ConnectionFailedError, LikenessError } from './errors.ts';
import { dataOf, sendOperation } from './http.ts';
import type { Socket, Subscription } from './socket.ts';
import { link, retries } from './waiting.ts';

/** Events of a subscription, resumed after a lost connection without a gap or a repetition. */
export interface Watch<Event> extends AsyncIterableIterator<Event> {
  /** The position after the event that was returned last. Keep it, and pass it as `after` later. */
  readonly cursor: string | null;
}

/** Options of `watch`. */
export interface WatchOptions {
  /**
   * Continue after this cursor.
   * @defaultValue null: from the present state
   */
  after?: string | null;
  /** Ends the iteration, without an error. */
  signal?: AbortSignal;
  /**
   * For how long to reconnect while the server is unavailable, in milliseconds.
   * @defaultValue Infinity
   */
  retryForMs?: number;
}

/** What a subscription is watched with. */
export interface WatchRequest extends WatchOptions, Subscription {
  /** Whether a new token may be accepted after one has expired. */
  renewsToken: boolean;
}

/**
 * Follows a subscription with the variable `after`, whose only field has a `cursor`. It is opened by the first `next()`.
 * @returns the values of that field
 */
export function watchEvents<Event>(socket: Socket, request: WatchRequest): Watch<Event> {
  const { after = null, signal } = request;
  const left = new AbortController();
  const unlink = link([signal, socket.transport.closed], left);
  let cursor = after;
  const events = (async function* () {
    try {
      for await (const event of resumed<Event & { cursor: string }>(socket, request, left.signal)) {
        ({ cursor } = event);
        yield event;
      }
    } finally {
      unlink();
    }
  })();
  return {
    get cursor() {
      return cursor;
    },
    next: () => events.next(),
    return: () => {
      // Ends a pending `next()`, after which the generator can return.
      left.abort();
      // The generator does not, if it was not started.
      unlink();
      return events.return(undefined);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

async function* resumed<Event extends { cursor: string }>(
  socket: Socket,
  { query, variables, after, retryForMs = Infinity, renewsToken }: WatchRequest,
  signal: AbortSignal,
): AsyncGenerator<Event> {
  const { policy } = socket.transport;
  const retry = retries(policy, { retryForMs, signal });
  const payload = { query, variables: { ...variables, after: after ?? null } };
  while (!signal.aborted) {
    try {
      for await (const result of socket.results(payload, signal)) {
        const event = eventOf(result) as Event;
        payload.variables.after = event.cursor;
        retry.succeeded();
        yield event;
      }
      return;
    } catch (error) {
      await retry.after(await explained(socket, error, renewsToken)).catch((final: unknown) => {
        if (!signal.aborted) throw final;
      });
    }
  }
}

function eventOf(result: Record<string, unknown>): unknown {
  const { data } = result as { data?: object | null };
  // An error of a nested field leaves the event itself.
  return (data && (Object.values(data)[0] as unknown)) ?? Object.values(dataOf<object>(result))[0];
}

/** The reason of a lost connection, as far as it can be found. */
async function explained(socket: Socket, error: unknown, renewsToken: boolean): Promise<unknown> {
  if (!(error instanceof LikenessError)) return error;
  if (error.code === 'UNAUTHENTICATED' && renewsToken && socket.wasAccepted) {
    socket.wasAccepted = false;
    return new ConnectionFailedError(error.message, { cause: error });
  }
  const isUnexplained = error instanceof ConnectionFailedError && error.closeCode === null;
  return isUnexplained ? ((await refusalOf(socket)) ?? error) : error;
}

/** Asks over HTTP why a socket is not opened: browsers hide the status of the answer. */
async function refusalOf({ transport }: Socket): Promise<LikenessError | null> {
  // Answers over HTTP do not say that the socket is available.
  const ignore = (): void => undefined;
  const silent = { ...transport, onAnswer: ignore, policy: { ...transport.policy, onFailure: ignore } };
  try {
    await sendOperation(silent, '{ __typename }', undefined, { isRepeatable: false });
  } catch (error) {
    const codes = ['UNAUTHENTICATED', 'FORBIDDEN'];
    if (error instanceof LikenessError && codes.includes(error.code)) return error;
  }
  return null;
}
