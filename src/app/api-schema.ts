import type { GraphQLSchema } from 'graphql';
import { readConfig } from '../config';
import { buildAppSchema } from '../graphql/build-schema';
import { picsartFacts } from '../upstream/picsart/facts';
import { makeFeatures } from './features';

/**
 * The API schema, built from the gateway's resolvers without dependencies, which are used only when a field is resolved:
 * it accesses neither database, network nor file system.
 */
export function apiSchema(): GraphQLSchema {
  const unused = {} as never;
  const { resolvers } = makeFeatures({
    config: readConfig({}),
    provider: { facts: picsartFacts(1, []) } as never,
    quotas: { limits: {} } as never,
    ...{ logger: unused, database: unused, wakeups: unused, media: unused, feed: unused, guard: unused },
    ...{ imageProcessor: unused, spool: unused, signer: unused, localUrl: unused, publicUrl: unused },
  });
  return buildAppSchema(resolvers, ({ viewer }) => Promise.resolve(viewer));
}
