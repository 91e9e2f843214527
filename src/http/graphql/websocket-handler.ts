import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GraphQLError } from 'graphql';
import { handleProtocols, makeServer, type Context, type Server } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { DomainError } from '../../core/errors';
import { newId } from '../../core/ids';
import { loggableError, type Logger } from '../../core/logger';
import { ownerHash } from '../../core/owner-hash';
import { isTracing, traced } from '../../core/tracing';
import { createContext } from '../../graphql/context';
import { foreignOriginMessage } from '../origins';
import { refuseSocket } from '../responses';
import { stoppingError } from '../serving';
import { BoundedSocket, type SocketLimits } from './bounded-socket';
import { isRecord } from './graphql-request';
import { KeepAlive } from './keep-alive';
import { spreadOf } from './open-streams';
import { isOpen, PendingResult, SingleResult } from './open-subscription';
import { isPrepared } from './prepared-operation';
import { credentialsOf, type TransportOptions } from './transport';
import { Delivery, type Connection, type OperationArgs } from './websocket-delivery';

/** Limits of WebSockets. */
export interface WebSocketLimits extends SocketLimits {
  /** Maximum message size in bytes; a larger message closes the socket with 1009. */
  readonly maxMessageBytes: number;
  /** Time limit for `connection_init` in milliseconds; then the socket is closed with 4408. */
  readonly initWaitMs: number;
  /** Maximum number of concurrent operations per socket; further ones are refused with an error. */
  readonly maxOperations: number;
}

/** Default limits: 256 kB per message as over HTTP, a ping every 12 s, 1 MB of unsent data. */
const defaultLimits: WebSocketLimits = {
  maxMessageBytes: 256_000,
  initWaitMs: 3_000,
  maxOperations: 100,
  keepAliveMs: 12_000,
  maxBufferedBytes: 1_000_000,
};

export interface WebSocketHandlerOptions extends TransportOptions {
  readonly logger: Logger;
  readonly limits?: Partial<WebSocketLimits>;
}

type ConnectionContext = Context<Record<string, unknown>, Connection>;

/**
 * Queries, mutations and subscriptions over WebSocket with the protocol `graphql-transport-ws`. Operations are validated
 * as over HTTP before they reach graphql-ws, which would close the socket on a syntax error.
 */
export class WebSocketHandler {
  private readonly limits: WebSocketLimits;
  private readonly sockets: WebSocketServer;
  private readonly protocol: Server<Connection>;
  private readonly connections = new Set<Connection>();
  private readonly keepAlive: KeepAlive;
  private isStopping = false;

  constructor(private readonly options: WebSocketHandlerOptions) {
    this.limits = { ...defaultLimits, ...options.limits };
    this.keepAlive = new KeepAlive(this.limits.keepAliveMs);
    this.sockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.limits.maxMessageBytes,
      perMessageDeflate: false,
      // One message per event loop turn, so that a busy socket does not block others.
      allowSynchronousEvents: false,
      handleProtocols,
    });
    this.protocol = makeServer<Record<string, unknown>, Connection>({
      connectionInitWaitTimeout: this.limits.initWaitMs,
      onConnect: (context) => this.admit(context),
      onSubscribe: (context, id) => this.prepare(context, id),
      execute: (args) => this.execute(args as OperationArgs),
      subscribe: (args) => this.subscribe(args as OperationArgs),
      onError: ({ extra }, _id, _payload, errors) => options.operations.results.refuse(errors, extra),
    });
  }

  /** Handles an upgrade. Refuses other paths and foreign origins. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { path, origins } = this.options;
    if (request.url?.split('?')[0] !== path) {
      refuseSocket(socket, 404, 'NOT_FOUND', `WebSockets are available at ${path}.`);
    } else if (origins.refuses(request.headers)) {
      refuseSocket(socket, 403, 'FORBIDDEN', foreignOriginMessage);
    } else {
      this.sockets.handleUpgrade(request, socket, head, (webSocket) =>
        this.begin(webSocket, request, socket as Socket),
      );
    }
  }

  /**
   * Closes every socket with a reason, at different times within {@link spreadOf}, or at its next operation; terminates
   * those still open after `graceMs`.
   */
  async stop(graceMs: number): Promise<void> {
    this.isStopping = true;
    const sockets = [...this.sockets.clients];
    const gone = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const { socket } of this.connections) {
      setTimeout(() => socket.closeFor('stopping'), Math.random() * spreadOf(sockets.length, graceMs));
    }
    const timer = setTimeout(() => sockets.forEach((socket) => socket.terminate()), graceMs);
    await Promise.all(gone);
    clearTimeout(timer);
  }

  private begin(webSocket: WebSocket, request: IncomingMessage, socket: Socket): void {
    const { limits, keepAlive } = this;
    const { logger, rates, path } = this.options;
    const requestId = newId();
    const address = rates?.addressOf(request) ?? '';
    const parts = { webSocket, connection: socket, limits, keepAlive, logger, requestId };
    const bounded = new BoundedSocket(parts);
    const connection: Connection = {
      socket: bounded,
      address,
      request,
      requestId,
      viewer: undefined,
      endSession: undefined,
      isClosed: false,
      operations: 0,
      traceparent: null,
    };
    const startedMs = performance.now();
    this.connections.add(connection);
    const closed = this.protocol.opened(bounded, connection);
    // Not `once`, which needs more memory.
    webSocket.on('close', (code, reason) => {
      bounded.release();
      connection.isClosed = true;
      connection.endSession?.();
      this.connections.delete(connection);
      closed(code, reason.toString()).catch((error: unknown) => {
        logger.error({ requestId, error: loggableError(error) }, 'unexpected error');
      });
      const ms = Math.round(performance.now() - startedMs);
      const owner = connection.viewer && ownerHash(connection.viewer.owner);
      logger.info({ requestId, path, code, ms, owner, operations: connection.operations }, 'socket');
    });
  }

  /** Authenticates at `connection_init`. A refusal closes the socket with 4403 and its message. */
  private async admit({ extra: connection }: ConnectionContext): Promise<boolean> {
    const { operations, authenticate, sessions, rates } = this.options;
    const given = connection.socket.takeGiven();
    const credentials = credentialsOf(connection.request!, given);
    connection.traceparent = traceparentIn(given) ?? traceparentIn(connection.request!.headers);
    connection.request = null;
    try {
      rates?.countAddress(connection);
      const viewer = await operations.inTime(Promise.resolve(authenticate(credentials)));
      connection.viewer = viewer;
      if (connection.isClosed) return true;
      connection.endSession = sessions.begin(viewer, ({ message }) =>
        connection.socket.closeFor('forbidden', message),
      );
    } catch (error) {
      this.refuse(connection, error);
    }
    return true;
  }

  private refuse({ socket, requestId }: Connection, error: unknown): void {
    if (isRefusal(error)) {
      socket.closeFor('forbidden', error.message);
    } else if (isRateLimit(error)) {
      socket.closeFor('later', error.message);
    } else {
      socket.closeFor('later');
      this.options.logger.error({ requestId, error: loggableError(error) }, 'unexpected error');
    }
  }

  private prepare(
    { extra: connection, subscriptions }: ConnectionContext,
    id: string,
  ): OperationArgs | readonly GraphQLError[] {
    if (this.isStopping) {
      connection.socket.closeFor('stopping');
      const originalError = stoppingError();
      return [new GraphQLError(originalError.message, { originalError })];
    }
    const { maxOperations } = this.limits;
    const given = connection.socket.takeGiven();
    // The subscriptions already include this operation.
    if (Object.keys(subscriptions).length > maxOperations) return [tooMany(maxOperations)];
    const tooOften = this.count(connection);
    if (tooOften) return [tooOften];
    connection.operations += 1;
    const prepared = this.options.operations.prepare(given);
    if (!isPrepared(prepared)) return prepared;
    const { schema, document, operationName, variableValues, options } = prepared.args;
    // The viewer is set once the socket is acknowledged.
    const contextValue = createContext(connection.viewer!, newId(), { socketId: connection.requestId });
    // No spread, which gives each object a hidden class of its own.
    return {
      schema,
      document,
      operationName,
      variableValues,
      options,
      contextValue,
      connection,
      id,
      caller: traceparentIn(isRecord(given) ? given.extensions : null) ?? connection.traceparent,
      rootValue: undefined,
    };
  }

  /** Responds to a query or a mutation. The text of the result is sent as it is: graphql-ws would serialize it again. */
  private execute(args: OperationArgs): Delivery {
    const { operations } = this.options;
    const pending = new PendingResult((client) =>
      traced('websocket operation', {}, () => operations.respondAfterWait(args, args.contextValue, client), {
        kind: 'server',
        caller: args.caller,
      }),
    );
    return new Delivery(pending, operations, args);
  }

  /** Opens a subscription, which sends its results itself: graphql-ws only waits for its end. */
  private async subscribe(args: OperationArgs): Promise<Delivery> {
    const { operations } = this.options;
    const opened = await traced(
      'websocket subscription',
      {},
      () => operations.subscribe(args, args.contextValue),
      { kind: 'server', caller: args.caller },
    );
    return new Delivery(isOpen(opened) ? opened : new SingleResult(opened), operations, args);
  }

  /** Applies the rate limits to an operation, as to a request. */
  private count(connection: Connection): GraphQLError | null {
    try {
      this.options.rates?.countAddress(connection);
      this.options.rates?.countOwner(connection.viewer!, connection);
      return null;
    } catch (error) {
      if (!isRateLimit(error)) throw error;
      return new GraphQLError(error.message, { originalError: error });
    }
  }
}

const traceparentLength = 55;

/** The `traceparent` in a payload, extensions or headers, if traces are enabled. */
function traceparentIn(given: unknown): string | null {
  if (!isTracing() || !isRecord(given)) return null;
  const { traceparent } = given;
  return typeof traceparent === 'string' && traceparent.length === traceparentLength ? traceparent : null;
}

function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN');
}

function isRateLimit(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code === 'RATE_LIMITED';
}

function tooMany(maximum: number): GraphQLError {
  const message = `The limit of ${maximum} concurrent operations per socket is reached. Complete some, or open another socket.`;
  return new GraphQLError(message, {
    originalError: new DomainError('RATE_LIMITED', message, { details: { maximum } }),
  });
}
