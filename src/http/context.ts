import type { Viewer } from '../core/viewer';
import { LoaderCache, type GraphQLContext } from '../graphql/context';

/** Creates the context of an operation. */
export function createContext(viewer: Viewer, requestId: string): GraphQLContext {
  return { viewer, requestId, loaders: new LoaderCache() };
}

/** The same viewer and request with empty caches, for the next event of a subscription. */
export function renewContext({ viewer, requestId }: GraphQLContext): GraphQLContext {
  return createContext(viewer, requestId);
}
