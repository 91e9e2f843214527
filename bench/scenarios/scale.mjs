import { measureRounds } from '../lib/compare.mjs';
import { listRequests, requestOf } from '../lib/requests.mjs';
import { seedLibrary, seedModels, settle } from '../lib/seed.mjs';
import { startProduct, withJwt } from '../lib/servers.mjs';

const first = 1_000_000;
const withPictures = 5;

/** Creates an owner with many models; the newest five have generations and avatars. */
async function seedOwner({ rows }, owner, count, from) {
  await seedModels(rows, { owners: [owner], modelsEach: count - withPictures, from, status: 'READY' });
  await seedLibrary(rows, { owners: [owner], modelsEach: withPictures, from: from + count - withPictures });
}

export const scale = {
  name: 'scale',
  title: 'An owner with 1,000 models and one with many: the list, and a filter that matches no model',
  run: async (bench) => {
    const sizes = [1_000, bench.options.models];
    for (const [index, size] of sizes.entries()) {
      await seedOwner(bench.database, `owner-of-${size}`, size, first + index * 1_000_000);
    }
    await settle(bench.database.rows);
    const server = await startProduct(bench, { ...withJwt, LOG_LEVEL: 'warn' });
    const targets = sizes.flatMap((size) => [
      { id: `list of ${size}`, server, requests: listRequests('List', `owner-of-${size}`) },
      { id: `filter of ${size}`, server, requests: [requestOf('Filter', {}, `owner-of-${size}`)] },
    ]);
    const options = { ...bench.options, connections: [32] };
    const [lists, filters] = ['list', 'filter'].map((name) =>
      targets.filter(({ id }) => id.startsWith(name)),
    );
    const results = [
      await measureRounds({ ...bench, options }, lists),
      await measureRounds({ ...bench, options }, filters),
    ];
    const rows = results.flatMap(({ rows: [small, large] }) => [small, large].map(withoutReference));
    return { rows, samples: results.flatMap(({ samples }) => samples) };
  },
};

/** Both tables have the ratio in a column of the same name. */
function withoutReference(row) {
  return Object.fromEntries(
    Object.entries(row).map(([name, value]) => [name.replace(/^x .*/, 'x 1,000'), value]),
  );
}
