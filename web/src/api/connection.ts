import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createContext, useContext } from 'react';
import { createClient, type LikenessClient, type LikenessError } from '../../../src/client/index.ts';
import { authorization, readAccessKey } from './accessKey';
import { updates } from './cacheUpdates';
import { coalesceExchange } from './coalesce';
import { loggedFetch, operationLogExchange } from './operationLog';
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
  /** Whether the viewer has signed out since: what arrives late must not be stored. */
  readonly isClosed: () => boolean;
  readonly close: () => void;
}

let lastId = 0;

export function connect(): Connection {
  const listeners = new Set<() => void>();
  let lastError: LikenessError | null = null;
  let isClosed = false;
  const accessKey = readAccessKey();
  const likeness = createClient({
    url: location.origin,
    token: accessKey ?? undefined,
    fetch: loggedFetch,
    onConnectionChange: (error) => {
      lastError = error;
      for (const listener of listeners) listener();
    },
  });
  return {
    id: ++lastId,
    accessKey,
    client: createGraphQLClient(likeness),
    likeness,
    readError: () => lastError,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    isClosed: () => isClosed,
    close: () => {
      isClosed = true;
      void likeness.close();
    },
  };
}

function createGraphQLClient(likeness: LikenessClient): Client {
  return new Client({
    url: '/graphql',
    fetch: clockedFetch,
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      cacheExchange({ keys: embedded, updates }),
      coalesceExchange,
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
