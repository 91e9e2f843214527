import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createContext, useContext } from 'react';
import { createClient, type LikenessClient, type LikenessError } from '../../../src/client/index.ts';
import { authorization, readAccessKey } from './accessKey';
import { updates } from './cacheUpdates';
import { coalesceExchange } from './coalesce';
import { newestJobsExchange } from './newestJobs';
import { loggedFetch, operationLogExchange } from './operationLog';
import { outdatedReadsExchange } from './outdatedReads';
import { clockedFetch } from './serverClock';

/** Types without an id, which are part of the object that has them. */
const embedded = Object.fromEntries(
  [
    ...['Activity', 'AvatarChanged', 'AvatarCreated', 'AvatarDeleted', 'CaughtUp', 'GenerationChanged'],
    ...[
      'GenerationDeleted',
      'NoticeCreated',
      'ModelChanged',
      'ModelDeleted',
      'AvatarConnection',
      'AvatarModelConnection',
    ],
    ...['GenerationConnection', 'NoticeConnection', 'AvatarTypeCapabilities', 'Capabilities', 'CostEstimate'],
    ...['Erasure', 'ErasureCounts', 'Failure', 'GenerationPrompt', 'MissingAvatars', 'Money', 'PageInfo'],
    ...['PhotoCapabilities', 'PhotoProblem', 'PromptCapabilities', 'Provenance', 'Style', 'TimeRange'],
    ...['Viewer', 'ViewerLimits', 'ViewerUsage'],
  ].map((typename) => [typename, () => null]),
);

/** What one sign-in talks to the server with. */
export interface Connection {
  /** Differs for each connection. */
  readonly id: number;
  /** The key that it uses; null without one. */
  readonly accessKey: string | null;
  /** Queries and mutations of components, with a normalised cache that the activity keeps current. */
  readonly client: Client;
  /** Uploads and orders, which it repeats, and subscriptions, which it resumes. */
  readonly likeness: LikenessClient;
  /** Why the server does not answer; null if it does. For `useSyncExternalStore`. */
  readonly readError: () => LikenessError | null;
  readonly subscribe: (listener: () => void) => () => void;
  /** Calls back when an answer says that the key is not valid. Returns a function that ends it. */
  readonly onKeyRefused: (listener: () => void) => () => void;
  /** Whether the viewer has signed out since: what arrives late must not be stored. */
  readonly isClosed: () => boolean;
  readonly close: () => void;
}

/** For how long an answer may take, with its body; as in the client module. */
const answerLimitMs = 30_000;

let lastId = 0;

export function connect(): Connection {
  const listeners = new Set<() => void>();
  const refusals = new EventTarget();
  const onRefused = (): void => void refusals.dispatchEvent(new Event('refused'));
  let lastError: LikenessError | null = null;
  let isClosed = false;
  const accessKey = readAccessKey();
  const likeness = createClient({
    url: location.origin,
    token: accessKey ?? undefined,
    fetch: watchKey(loggedFetch, onRefused),
    onConnectionChange: (error) => {
      lastError = error;
      for (const listener of listeners) listener();
    },
  });
  return {
    id: ++lastId,
    accessKey,
    client: createGraphQLClient(likeness, limitTime(watchKey(clockedFetch, onRefused))),
    likeness,
    readError: () => lastError,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    onKeyRefused: (listener) => {
      refusals.addEventListener('refused', listener);
      return () => refusals.removeEventListener('refused', listener);
    },
    isClosed: () => isClosed,
    close: () => {
      isClosed = true;
      void likeness.close();
    },
  };
}

/** `fetch` that calls back when the server answers an operation with UNAUTHENTICATED. */
function watchKey(send: typeof fetch, onRefused: () => void): typeof fetch {
  return async (input, init) => {
    const response = await send(input, init);
    const answer = (await response
      .clone()
      .json()
      .catch(() => null)) as { errors?: { extensions?: { code?: unknown } }[] } | null;
    if (answer?.errors?.some(({ extensions }) => extensions?.code === 'UNAUTHENTICATED')) onRefused();
    return response;
  };
}

/** `fetch` that fails when no answer comes, as when the server was lost without a word. `send` must read the body, too. */
function limitTime(send: typeof fetch): typeof fetch {
  return async (input, init) => {
    const limit = new AbortController();
    const end = (): void => limit.abort(init?.signal?.reason);
    const timer = setTimeout(end, answerLimitMs);
    init?.signal?.addEventListener('abort', end);
    try {
      return await send(input, { ...init, signal: limit.signal });
    } finally {
      clearTimeout(timer);
    }
  };
}

function createGraphQLClient(likeness: LikenessClient, send: typeof fetch): Client {
  return new Client({
    url: '/graphql',
    fetch: send,
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      cacheExchange({ keys: embedded, updates }),
      newestJobsExchange,
      coalesceExchange,
      outdatedReadsExchange,
      operationLogExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables = {} }) => ({
          subscribe: (sink) => {
            const left = new AbortController();
            const after = variables.after as string | null;
            void forward(likeness.subscribe(query, variables, { after, signal: left.signal }), sink);
            return { unsubscribe: () => left.abort() };
          },
        }),
      }),
    ],
  });
}

interface Sink {
  next(result: { data: { activity: unknown } }): void;
  error(error: unknown): void;
  complete(): void;
}

/** The events of `activity`, the only subscription of the studio, as results. */
async function forward(events: AsyncIterable<unknown>, sink: Sink): Promise<void> {
  try {
    for await (const activity of events) sink.next({ data: { activity } });
    sink.complete();
  } catch (error) {
    sink.error(error);
  }
}

export const ConnectionContext = createContext<Connection | null>(null);

/** @throws Error outside of the studio */
export function useConnection(): Connection {
  const connection = useContext(ConnectionContext);
  if (!connection) throw new Error('No connection');
  return connection;
}
