import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../core/logger';

/** A request and its answer, with what the server found out about them. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** As it was sent, without the query; this may be logged. */
  readonly path: string;
  /** May hold a signature: never logged. */
  readonly query: URLSearchParams;
  /** The parts of the path that the route names. */
  readonly params: Readonly<Record<string, string>>;
  readonly requestId: string;
  /** Bound to the request's id. */
  readonly logger: Logger;
  /** The client sent `Expect: 100-continue` and waits to be told before it sends the body. */
  readonly expectsContinue: boolean;
}

/** Methods that routes answer to. OPTIONS is answered by the server. */
export type Method = 'GET' | 'HEAD' | 'POST' | 'PUT';

/** What is answered under a path. */
export interface Route {
  readonly methods: readonly Method[];
  /** `/uploads/:photoId`: a name after a colon stands for one part of the path. */
  readonly path: string;
  /** Logged at debug instead of info: for what a machine asks every few seconds. */
  readonly isQuiet?: boolean;
  /** Answers. What it throws before it has begun to answer becomes a JSON error: a DomainError as it stands. */
  handle(exchange: Exchange): Promise<void> | void;
}
