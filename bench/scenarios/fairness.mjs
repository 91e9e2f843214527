import { startUsers } from '../lib/generations.mjs';
import { quantile } from '../lib/report.mjs';

const waitingJobs = 1_000;
const ordersAtOnce = 8;
const measured = 15;
/** Few slots, so that the jobs still wait while the other owner is measured. */
const settings = { RATE_LIMIT_OWNER: '1000000/1m', MAX_SUBMISSIONS: '4' };

const lookup = 'query Lookup($id: ID!) { model(id: $id) { id name status progress } }';
const unfinished =
  'query Unfinished { generations(filter: { statuses: [QUEUED, SUBMITTING, GENERATING, STORING] }) { totalCount } }';

export const fairness = {
  name: 'fairness',
  title: `An owner alone, then beside another owner's ${waitingJobs} waiting generations`,
  run: async (bench) => {
    const { users } = await startUsers(bench, {
      owners: ['busy', 'calm'],
      from: 9_100_000,
      settings,
      submissionMs: 300,
    });
    const [busy, calm] = users;
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
    while (left-- > 0) await user.generate(`waiting ${left}`, 1);
  };
  await Promise.all(Array.from({ length: ordersAtOnce }, work));
}

/** Milliseconds of what a user does, each several times. */
async function measure(user, times) {
  const result = { lookup: [], 'generation accepted': [], 'first URL since the order': [] };
  for (let time = 0; time < times; time += 1) {
    const startedAt = Date.now();
    const id = await user.generate(`calm ${time}`, 1);
    result['generation accepted'].push(Date.now() - startedAt);
    const [urlAt] = await user.urlTimes(id, 1);
    result['first URL since the order'].push(urlAt - startedAt);
    for (let each = 0; each < 5; each += 1) {
      const askedAt = performance.now();
      await user.ask(lookup, { id: user.modelId });
      result.lookup.push(performance.now() - askedAt);
    }
  }
  return result;
}
