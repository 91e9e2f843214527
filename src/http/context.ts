import type { Viewer } from '../core/viewer';
import { LoaderCache, type GraphQLContext } from '../graphql/context';

/** The context of one operation. */
export function createContext(viewer: Viewer, requestId: string): GraphQLContext {
  return { viewer, requestId, loaders: new LoaderCache() };
}

/** The same viewer and request with nothing remembered: for the next event of a subscription. */
export function renewContext({ viewer, requestId }: GraphQLContext): GraphQLContext {
  return createContext(viewer, requestId);
}
