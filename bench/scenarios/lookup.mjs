import { compare } from '../lib/compare.mjs';
import { lookupRequests } from '../lib/requests.mjs';
import { startAll } from './list.mjs';

export const lookup = {
  name: 'lookup',
  title: 'Lookup of a model by id',
  isQuick: true,
  run: async (bench) => compare(bench, await startAll(bench), { requests: lookupRequests() }),
};
