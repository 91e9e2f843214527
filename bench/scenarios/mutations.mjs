import { compare } from '../lib/compare.mjs';
import { favoriteRequests } from '../lib/requests.mjs';
import { plain, startProduct } from '../lib/servers.mjs';

export const mutations = {
  name: 'mutations',
  title:
    'setFavorite, with the generation, its avatars and the model in the payload: by the resolvers, and planned',
  run: async (bench) => {
    const servers = await Promise.all([
      startProduct(bench, { ...plain, PLANNED_READS: 'false' }, 'likeness-resolvers'),
      startProduct(bench, plain),
    ]);
    return compare(bench, servers, { requests: favoriteRequests() });
  },
};
