import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from '../core/logger';
import type { RequestNotes } from '../graphql/context';

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
  /** Added to the log line of the request. */
  readonly notes: RequestNotes;
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

/** The route of a request. */
type Match =
  | { readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The methods that the path supports; empty if the path is unknown. */
  | { readonly route: null; readonly allowed: readonly Method[] };

interface Entry {
  readonly route: Route;
  readonly pattern: RegExp;
}

/** Matches requests to routes; the first match wins. */
export class Router {
  private readonly entries: readonly Entry[];
  /** Those that match a path without named parts. */
  private readonly byPath: ReadonlyMap<string, readonly Entry[]>;

  constructor(routes: readonly Route[]) {
    const entries = routes.map((route) => ({ route, pattern: compile(route.path) }));
    this.entries = entries;
    const paths = routes.map(({ path }) => path).filter((path) => !path.includes(':'));
    this.byPath = new Map(paths.map((path) => [path, entries.filter(({ pattern }) => pattern.test(path))]));
  }

  find(method: string, path: string): Match {
    const allowed = new Set<Method>();
    for (const { route, pattern } of this.byPath.get(path) ?? this.entries) {
      const params = read(pattern, path);
      if (params && route.methods.some((known) => known === method)) return { route, params };
      if (params) route.methods.forEach((known) => allowed.add(known));
    }
    return { route: null, allowed: [...allowed] };
  }
}

function compile(path: string): RegExp {
  return new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/:(\w+)/g, '(?<$1>[^/]+)')}$`);
}

/** The decoded named parts; null if the path does not match or is malformed. */
function read(pattern: RegExp, path: string): Record<string, string> | null {
  const match = pattern.exec(path);
  if (!match) return null;
  try {
    const parts = Object.entries(match.groups ?? {});
    return Object.fromEntries(parts.map(([name, part]) => [name, decodeURIComponent(part)]));
  } catch {
    return null;
  }
}
