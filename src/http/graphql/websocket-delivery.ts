import type { IncomingMessage } from 'node:http';
import type { ExecutionArgs, ExecutionResult } from 'graphql';
import type { Viewer } from '../../core/viewer';
import type { GraphQLContext } from '../../graphql/context';
import type { BoundedSocket } from './bounded-socket';
import { isStream, type OpenSubscription, type ResultSink } from './open-subscription';
import type { Operations } from './operations';

/** The state of one WebSocket. */
export interface Connection {
  readonly socket: BoundedSocket;
  /** The client's address, for rate limits. */
  readonly address: string;
  /** Null once it is authenticated, because it needs more memory than the rest of a connection. */
  request: IncomingMessage | null;
  readonly requestId: string;
  viewer: Viewer | undefined;
  endSession: (() => void) | undefined;
  isClosed: boolean;
  operations: number;
  /** The `traceparent` of `connection_init`; null without one, and unless traces are enabled. */
  traceparent: string | null;
}

/** An operation of a connection. */
export interface OperationArgs extends ExecutionArgs {
  contextValue: GraphQLContext;
  connection: Connection;
  id: string;
  /** The `traceparent` of the client that the operation continues. */
  caller: string | null;
}

const done = { done: true, value: undefined } as const;

/** Delivers the results of an operation. For graphql-ws it is an iterator without items. */
export class Delivery implements AsyncIterableIterator<never>, ResultSink {
  constructor(
    private readonly opened: OpenSubscription,
    private readonly operations: Operations,
    private readonly args: OperationArgs,
  ) {}

  async next(): Promise<IteratorReturnResult<undefined>> {
    const { opened, operations } = this;
    if (isStream(opened)) await operations.streams.follow('websocket', opened.deliver(this));
    else await opened.deliver(this);
    return done;
  }

  return(): Promise<IteratorReturnResult<undefined>> {
    this.opened.stop();
    return Promise.resolve(done);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  send(result: ExecutionResult): Promise<void> | undefined {
    const { connection, contextValue, id } = this.args;
    if (isStream(this.opened)) this.operations.streams.sent('websocket');
    return connection.socket.sendResult(id, this.operations.results.textOf(result, contextValue.requestId));
  }
}
