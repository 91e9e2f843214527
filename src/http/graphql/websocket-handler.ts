import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { GraphQLError, type ExecutionArgs } from 'graphql';
import { handleProtocols, makeServer, type Context, type Server, type SubscribePayload } from 'graphql-ws';
import { WebSocketServer, type WebSocket } from 'ws';
import { DomainError } from '../../core/errors';
import { newId } from '../../core/ids';
import { loggableError } from '../../core/loggable-error';
import type { Logger } from '../../core/logger';
import type { Viewer } from '../../core/viewer';
import type { GraphQLContext } from '../../graphql/context';
import { rawAnswer } from '../answers';
import { credentialsOf, type Authenticate } from '../authenticate';
import { createContext } from '../context';
import { endSoon } from '../end-soon';
import type { Origins } from '../origins';
import type { RateGate } from '../rate-gate';
import type { Sessions } from '../sessions';
import { givenIn, BoundedSocket, type SocketLimits } from './bounded-socket';
import { isPrepared, type Operations } from './operations';

/** Bounds of all sockets. */
export interface WebSocketLimits extends SocketLimits {
  /** The largest message, in bytes; a larger one closes the socket with 1009. */
  readonly maxMessageBytes: number;
  /** How long a socket may stay silent before its `connection_init`, in milliseconds; then 4408. */
  readonly initWaitMs: number;
  /** Operations at once on one socket; one more is answered with an error. */
  readonly maxOperations: number;
}

/** The bounds unless said otherwise: 256 kB as over HTTP, a ping every 12 s, 1 MB waiting to be sent. */
const webSocketLimits: WebSocketLimits = {
  maxMessageBytes: 256_000,
  initWaitMs: 3_000,
  maxOperations: 100,
  keepAliveMs: 12_000,
  maxBufferedBytes: 1_000_000,
};

/** What {@link WebSocketHandler} needs. */
export interface WebSocketHandlerOptions {
  readonly path: string;
  readonly operations: Operations;
  readonly authenticate: Authenticate;
  readonly sessions: Sessions;
  readonly origins: Origins;
  readonly logger: Logger;
  readonly limits?: Partial<WebSocketLimits>;
  /** \@defaultValue no limit */
  readonly rates?: RateGate;
}

/** One socket, from the handshake to its end. */
interface Connection {
  readonly socket: BoundedSocket;
  readonly request: IncomingMessage;
  readonly requestId: string;
  viewer?: Viewer;
  endSession?: () => void;
  isClosed: boolean;
  operations: number;
}

type ConnectionContext = Context<Record<string, unknown>, Connection>;
type OperationArgs = ExecutionArgs & { contextValue: GraphQLContext };

/**
 * Queries, mutations and subscriptions over WebSocket, in the protocol `graphql-transport-ws`. Operations are read and
 * bounded as over HTTP, before graphql-ws sees them: it closes the socket on a mere syntax error.
 */
export class WebSocketHandler {
  private readonly limits: WebSocketLimits;
  private readonly sockets: WebSocketServer;
  private readonly protocol: Server<Connection>;
  private readonly connections = new Set<Connection>();

  constructor(private readonly options: WebSocketHandlerOptions) {
    this.limits = { ...webSocketLimits, ...options.limits };
    this.sockets = new WebSocketServer({
      noServer: true,
      maxPayload: this.limits.maxMessageBytes,
      perMessageDeflate: false,
      // One message a turn, so that a flood on one socket leaves room for the others.
      allowSynchronousEvents: false,
      handleProtocols,
    });
    this.protocol = makeServer<Record<string, unknown>, Connection>({
      connectionInitWaitTimeout: this.limits.initWaitMs,
      onConnect: (context) => this.admit(context),
      onSubscribe: (context, _id, payload) => this.prepare(context, payload),
      execute: (args) => options.operations.execute(args),
      subscribe: (args) => options.operations.subscribe(args, (args as OperationArgs).contextValue),
      onNext: (_context, _id, _payload, args, result) =>
        options.operations.format(result, (args as OperationArgs).contextValue.requestId),
      onError: ({ extra }, _id, _payload, errors) => options.operations.formatErrors(errors, extra.requestId),
    });
  }

  /** Takes an upgrade; one for another path, or from a page of a foreign origin, is refused. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { path, origins } = this.options;
    if (request.url?.split('?')[0] !== path) {
      endSoon(socket, rawAnswer(404, 'NOT_FOUND', `WebSockets are answered under ${path}.`));
    } else if (origins.isForeign(request.headers)) {
      endSoon(socket, rawAnswer(403, 'FORBIDDEN', 'Pages of this origin may not connect.'));
    } else {
      this.sockets.handleUpgrade(request, socket, head, (webSocket) => this.begin(webSocket, request));
    }
  }

  /** Closes every socket with a reason; those that do not go are cut off after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    const sockets = [...this.sockets.clients];
    const gone = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const { socket } of this.connections) socket.closeFor('stopping');
    const timer = setTimeout(() => sockets.forEach((socket) => socket.terminate()), graceMs);
    await Promise.all(gone);
    clearTimeout(timer);
  }

  private begin(webSocket: WebSocket, request: IncomingMessage): void {
    const requestId = newId();
    const logger = this.options.logger.child({ requestId });
    const socket = new BoundedSocket(webSocket, this.limits, logger);
    const connection: Connection = { socket, request, requestId, isClosed: false, operations: 0 };
    const startedMs = performance.now();
    this.connections.add(connection);
    const closed = this.protocol.opened(socket, connection);
    webSocket.once('close', (code, reason) => {
      connection.isClosed = true;
      connection.endSession?.();
      this.connections.delete(connection);
      closed(code, reason.toString()).catch((error: unknown) => {
        logger.error({ error: loggableError(error) }, 'unexpected error');
      });
      const ms = Math.round(performance.now() - startedMs);
      logger.info({ path: this.options.path, code, ms, operations: connection.operations }, 'socket');
    });
  }

  /** At `connection_init`. A refusal closes with 4403 and its message. */
  private async admit({ extra: connection, connectionParams }: ConnectionContext): Promise<boolean> {
    const { operations, authenticate, sessions, logger, rates } = this.options;
    let viewer: Viewer;
    try {
      rates?.countAddress(connection);
      viewer = await operations.inTime(authenticate(credentialsOf(connection.request, connectionParams)));
    } catch (error) {
      if (isRefusal(error)) connection.socket.closeFor('forbidden', error.message);
      else connection.socket.closeFor('later');
      if (!isRefusal(error) && !isRateLimit(error)) {
        logger.error({ requestId: connection.requestId, error: loggableError(error) }, 'unexpected error');
      }
      return true;
    }
    connection.viewer = viewer;
    if (!connection.isClosed)
      connection.endSession = sessions.begin(viewer, () => connection.socket.closeFor('forbidden'));
    return true;
  }

  private prepare(
    { extra: connection, subscriptions }: ConnectionContext,
    payload: SubscribePayload,
  ): OperationArgs | readonly GraphQLError[] {
    const { maxOperations } = this.limits;
    // This one is among them already.
    if (Object.keys(subscriptions).length > maxOperations) return [tooMany(maxOperations)];
    const tooOften = this.count(connection);
    if (tooOften) return [tooOften];
    connection.operations += 1;
    const prepared = this.options.operations.prepare(givenIn(payload));
    if (!isPrepared(prepared)) return prepared;
    // Acknowledged sockets have a viewer.
    return { ...prepared.args, contextValue: createContext(connection.viewer!, newId()) };
  }

  /** An operation of a socket counts as a request does. */
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

function isRefusal(error: unknown): error is DomainError {
  return error instanceof DomainError && (error.code === 'UNAUTHENTICATED' || error.code === 'FORBIDDEN');
}

function isRateLimit(error: unknown): error is DomainError {
  return error instanceof DomainError && error.code === 'RATE_LIMITED';
}

function tooMany(maximum: number): GraphQLError {
  const message = `This socket has ${maximum} operations already; complete some first, or open another.`;
  return new GraphQLError(message, {
    originalError: new DomainError('RATE_LIMITED', message, { details: { maximum } }),
  });
}
