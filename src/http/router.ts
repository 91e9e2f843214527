import type { Method, Route } from './exchange';

/** The route of a request. */
export type Match =
  | { readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The methods that the path supports; empty if the path is unknown. */
  | { readonly route: null; readonly allowed: readonly Method[] };

/** Matches requests to routes; the first match wins. */
export class Router {
  private readonly entries: readonly { route: Route; pattern: RegExp }[];

  constructor(routes: readonly Route[]) {
    this.entries = routes.map((route) => ({ route, pattern: compile(route.path) }));
  }

  find(method: string, path: string): Match {
    const allowed = new Set<Method>();
    for (const { route, pattern } of this.entries) {
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
