import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../core/logger';

/** A request with its response and derived data. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The path as sent, without the query. May be logged. */
  readonly path: string;
  /** May contain a signature, so it must not be logged. */
  readonly query: URLSearchParams;
  /** The named parts of the route's path. */
  readonly params: Readonly<Record<string, string>>;
  readonly requestId: string;
  /** A child logger with the request's id. */
  readonly logger: Logger;
  /** The client sent `Expect: 100-continue` and waits for the interim response before it sends the body. */
  readonly expectsContinue: boolean;
}

/** Methods of routes. The server handles OPTIONS. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT';

/** A handler for a path. */
export interface Route {
  readonly methods: readonly Method[];
  /** A path with named parts, such as `/uploads/:photoId`. */
  readonly path: string;
  /** Whether to log requests at debug instead of info, for probes that run every few seconds. */
  readonly isQuiet?: boolean;
  /** Handles the request. An error thrown before the response is started becomes a JSON error response. */
  handle(exchange: Exchange): Promise<void> | void;
}
