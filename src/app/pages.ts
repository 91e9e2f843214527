import type { Logger } from '../core/logger';
import { graphiqlPath, loadGraphiql } from '../http/graphiql/graphiql';
import type { Route } from '../http/router';
import { loadStudio, type BucketOrigins } from '../http/studio/studio';

export interface PageOptions {
  readonly showsGraphiql: boolean;
  /** Whether GraphiQL has a field for a key or token. */
  readonly asksForKey: boolean;
  /** The folder of the built studio, served at `/`; null if it is not served. */
  readonly studioFolder: string | null;
  /** The public URL of the gateway if it differs from the one that it listens on. */
  readonly publicUrl?: string;
  /** Where the studio uploads photos and reads pictures, if not at the gateway. */
  readonly bucketOrigins?: BucketOrigins;
  readonly logger: Logger;
}

/** The routes of pages for people. The studio comes first: without it, `/` redirects to GraphiQL. */
export async function pageRoutes(options: PageOptions): Promise<Route[]> {
  const { showsGraphiql, asksForKey, studioFolder } = options;
  const path = showsGraphiql ? graphiqlPath : null;
  return [
    ...(studioFolder === null
      ? []
      : await loadStudio({ ...options, folder: studioFolder, graphiqlPath: path })),
    ...(showsGraphiql ? await loadGraphiql('/graphql', asksForKey) : []),
  ];
}
