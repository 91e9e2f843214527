import { doneAt, startUsers } from '../lib/generations.mjs';
import { quantile } from '../lib/report.mjs';

const warmUps = 10;
const measured = 100;
const avatars = 4;

export const firstAvatar = {
  name: 'first-avatar',
  title:
    'From the answer of the avatar service that a generation of 4 avatars is done until a subscriber has a URL',
  run: async (bench) => {
    const { upstream, users } = await startUsers(bench, { owners: ['painter'], from: 9_000_000 });
    const [user] = users;
    const samples = [];
    for (let n = 0; n < warmUps + measured; n += 1) {
      const sample = await measure(upstream, user, `number ${n}`);
      if (n >= warmUps) samples.push(sample);
    }
    await user.leave();
    const of = (name, share) =>
      quantile(
        samples.map((sample) => sample[name]),
        share,
      );
    const row = {
      generations: measured,
      'first p50 ms': of('first', 0.5),
      'first p99 ms': of('first', 0.99),
      'all p50 ms': of('all', 0.5),
      'all p99 ms': of('all', 0.99),
    };
    return { rows: [row], samples };
  },
};

/** @returns milliseconds from the service's answer to the URL of the first and of the last avatar */
async function measure(upstream, user, prompt) {
  const done = doneAt(upstream, prompt);
  const times = await user.urlTimes(await user.generate(prompt, avatars), avatars);
  const startedAt = await done;
  return { first: times[0] - startedAt, all: times.at(-1) - startedAt };
}
