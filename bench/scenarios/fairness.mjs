import { frequentPolls, User } from '../lib/generations.mjs';
import { quantile } from '../lib/report.mjs';
import { modelIdOf, seedModels, settle } from '../lib/seed.mjs';
import { startPeer, startProduct, withJwt } from '../lib/servers.mjs';

const from = 9_100_000;
const waitingJobs = 1_000;
const ordersAtOnce = 8;
const measured = 15;
const submissionMs = 300;
/** Half of one owner's waiting jobs stay unfinished while the other owner is measured. */
const settings = { LOG_LEVEL: 'warn', RATE_LIMIT_OWNER: '1000000/1m', MAX_SUBMISSIONS: '4' };

const lookup = 'query Lookup($id: ID!) { model(id: $id) { id name status progress } }';
const unfinished =
  'query Unfinished { generations(filter: { statuses: [QUEUED, SUBMITTING, GENERATING, STORING] }) { totalCount } }';

export const fairness = {
  name: 'fairness',
  title: `An owner alone, then beside another owner's ${waitingJobs} waiting generations`,
  run: async (bench) => {
    const env = { SUBMISSION_MS: String(submissionMs) };
    const upstream = await startPeer(bench, 'finishing-upstream', env);
    const owners = ['busy', 'calm'];
    await seedModels(bench.database.rows, {
      owners,
      modelsEach: 1,
      from,
      status: 'READY',
      provider: 'picsart',
    });
    await settle(bench.database.rows);
    const server = await startProduct(bench, {
      ...withJwt,
      ...settings,
      PICSART_BASE_URL: upstream.url,
      ...frequentPolls,
    });
    const [busy, calm] = owners.map((owner) => new User(server, owner));
    await measure(calm, 3);
    const alone = await measure(calm, measured);
    await orderAll(busy);
    const before = (await busy.ask(unfinished)).generations.totalCount;
    const beside = await measure(calm, measured);
    const after = (await busy.ask(unfinished)).generations.totalCount;
    await Promise.all([busy.leave(), calm.leave()]);
    const rows = Object.keys(alone).flatMap((name) => {
      const [first, second] = [alone[name], beside[name]].map((values) => quantile(values, 0.5));
      return [{ what: name, 'alone p50 ms': first, 'beside p50 ms': second, ratio: second / first }];
    });
    return {
      rows: rows.map((row) => ({ ...row, 'unfinished jobs of the other': `${before} to ${after}` })),
      samples: [],
    };
  },
};

async function orderAll(user) {
  let left = waitingJobs;
  const work = async () => {
    while (left-- > 0) await user.generate(modelIdOf(from), `waiting ${left}`, 1);
  };
  await Promise.all(Array.from({ length: ordersAtOnce }, work));
}

/** Milliseconds of what a user does, each several times. */
async function measure(user, times) {
  const result = { lookup: [], 'generation accepted': [], 'first URL since the order': [] };
  const modelId = modelIdOf(from + 1);
  for (let time = 0; time < times; time += 1) {
    const startedAt = Date.now();
    const id = await user.generate(modelId, `calm ${time}`, 1);
    result['generation accepted'].push(Date.now() - startedAt);
    const [urlAt] = await user.urlTimes(id, 1);
    result['first URL since the order'].push(urlAt - startedAt);
    for (let each = 0; each < 5; each += 1) {
      const askedAt = performance.now();
      await user.ask(lookup, { id: modelId });
      result.lookup.push(performance.now() - askedAt);
    }
  }
  return result;
}
