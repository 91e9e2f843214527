import { compare } from '../lib/compare.mjs';
import { listRequests } from '../lib/requests.mjs';
import { plain, startPeer, startProduct, withJwt } from '../lib/servers.mjs';

/**
 * Starts the servers that are compared: the product without authentication and log, as the others are, and with JSON Web
 * Tokens and its default log. The first is the reference.
 */
export function startAll(bench) {
  const peers = ['raw', 'mercurius', 'usual'].map((id) => startPeer(bench, id));
  const products = [startProduct(bench, plain)];
  if (!bench.options.isQuick) products.push(startProduct(bench, withJwt, 'likeness-jwt'));
  return Promise.all([...peers, ...products]);
}

export const list = {
  name: 'list',
  title: 'Nested list without URLs: 5 models × 4 generations × 4 avatars',
  isQuick: true,
  run: async (bench) => compare(bench, await startAll(bench), { requests: listRequests('List') }),
};

export const listUrls = {
  name: 'list-urls',
  title: 'The same list with signed URLs',
  run: async (bench) => compare(bench, await startAll(bench), { requests: listRequests('ListUrls') }),
};

export const listFallback = {
  name: 'list-fallback',
  title: 'The list by the resolvers, as the product answers what it cannot plan',
  run: async (bench) => {
    const peers = ['raw', 'usual'].map((id) => startPeer(bench, id));
    const product = startProduct(bench, { ...plain, PLANNED_READS: 'false' }, 'likeness-resolvers');
    return compare(bench, await Promise.all([...peers, product]), { requests: listRequests('List') });
  },
};
