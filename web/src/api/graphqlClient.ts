import { Client, fetchExchange, subscriptionExchange } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { createClient as createSocketClient } from 'graphql-ws';
import { authorization } from './accessKey';
import { updates } from './cacheUpdates';
import { operationLogExchange } from './operationLog';

const path = '/graphql';

/** Types without an id, which are part of the object that has them. */
const embedded = Object.fromEntries(
  [
    ...['Activity', 'AvatarChanged', 'AvatarCreated', 'AvatarDeleted', 'CaughtUp', 'GenerationChanged'],
    ...['GenerationDeleted', 'ModelChanged', 'ModelDeleted', 'AvatarConnection', 'AvatarModelConnection'],
    ...['GenerationConnection', 'NoticeConnection', 'AvatarTypeCapabilities', 'Capabilities', 'CostEstimate'],
    ...['Erasure', 'ErasureCounts', 'Failure', 'GenerationPrompt', 'MissingAvatars', 'Money', 'PageInfo'],
    ...['PhotoCapabilities', 'PhotoProblem', 'PromptCapabilities', 'Provenance', 'Style', 'TimeRange'],
    ...['Viewer', 'ViewerLimits', 'ViewerUsage'],
  ].map((typename) => [typename, () => null]),
);

/** The GraphQL client of one sign-in. */
export interface GraphQLConnection {
  /** Differs for each connection. */
  readonly id: number;
  readonly client: Client;
  /** Closes the socket. */
  close(): void;
}

let lastId = 0;

/**
 * Queries and mutations go by HTTP, subscriptions over one WebSocket. The socket does not reconnect by itself: it would
 * subscribe with the first cursor again; {@link followActivity} subscribes again with the last one.
 */
export function connect(): GraphQLConnection {
  const socket = createSocketClient({
    url: location.origin.replace(/^http/, 'ws') + path,
    connectionParams: authorization,
    retryAttempts: 0,
    keepAlive: 20_000,
  });
  const client = new Client({
    url: path,
    preferGetMethod: false,
    requestPolicy: 'cache-and-network',
    fetchOptions: () => ({ headers: authorization() }),
    exchanges: [
      cacheExchange({ keys: embedded, updates }),
      operationLogExchange,
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = '', variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        }),
      }),
    ],
  });
  return { id: ++lastId, client, close: () => void socket.dispose() };
}
