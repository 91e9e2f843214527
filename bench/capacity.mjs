// What a number of jobs a day needs, from the costs that the scenario job-costs has measured, and how long jobs wait for
// the budget of calls to the avatar service: `node bench/capacity.mjs [--jobs 1000000] [--requests 500]`. See docs/scaling.md.
import { parseArgs } from 'node:util';

/**
 * Of one job, by kind, with the uploads of its photos; `share`: of all jobs. Polls are as many as with the recommended
 * intervals, if durations are unknown: a training takes 5 to 20 minutes, a generation 20 to 100 seconds.
 */
const kinds = {
  training: {
    ...{ share: 0.1, polls: 5, statements: 118, rows: 29, events: 8.6 },
    ...{ walBytes: 46_000, keptBytes: 12_300, databaseMs: 46, pictureBytes: 5 * 60_000 },
  },
  generation: {
    ...{ share: 0.9, polls: 5, statements: 118, rows: 31, events: 12 },
    ...{ walBytes: 63_000, keptBytes: 19_000, databaseMs: 52, pictureBytes: 4 * 90_000 },
  },
};

/** An event with its index entries. It is kept for 7 days (EVENT_RETENTION), and is part of `keptBytes`. Bytes. */
const eventBytes = 525;
/** The share of a day's jobs that come in its busiest hour: twice the mean. */
const busiestHour = 2 / 24;

const { values } = parseArgs({
  options: { jobs: { type: 'string', default: '1000000' }, requests: { type: 'string', default: '500' } },
});
const [jobs, requestsPerMinute] = [Number(values.jobs), Number(values.requests)];

/** The sum over all jobs of a day. */
const total = (name) => Object.values(kinds).reduce((sum, kind) => sum + jobs * kind.share * kind[name], 0);
const calls = jobs + total('polls');
const perSecond = (perDay) => (perDay * busiestHour) / 3_600;

const amounts = {
  'calls to the avatar service': calls,
  'calls in a minute of the busiest hour': perSecond(calls) * 60,
  'rows inserted': total('rows'),
  events: total('events'),
  'statements in a second of the busiest hour': perSecond(total('statements')),
  'GB of WAL': total('walBytes') / 1e9,
  'cores of PostgreSQL in the busiest hour': perSecond(total('databaseMs')) / 1_000,
  'GB kept in PostgreSQL, without events': (total('keptBytes') - total('events') * eventBytes) / 1e9,
  'GB of events (7 days)': (total('events') * eventBytes * 7) / 1e9,
  'GB of pictures': total('pictureBytes') / 1e9,
};
for (const [name, amount] of Object.entries(amounts)) console.log(name.padEnd(46), amount.toPrecision(3));

/** Shares of the budget by default: polls (POLL_SHARE) and submissions; the rest is for failed jobs. */
const shares = { polls: 0.75, submissions: 0.2 };
const maxPerMinute = Math.min(
  requestsPerMinute * shares.submissions,
  (requestsPerMinute * shares.polls * jobs) / total('polls'),
);
const maxPerDay = maxPerMinute * 1_440;

/**
 * Simulates days in minutes: jobs come as a wave with its top in the busiest hour, and are submitted in the order of their
 * arrival.
 * @returns how long the jobs of the last day waited, in minutes: the median and the 99th percentile
 */
function simulate(perDay, days = 3) {
  const waits = [];
  let queued = 0;
  for (let minute = 0; minute < days * 1_440; minute += 1) {
    const wave = 1 + Math.sin((2 * Math.PI * minute) / 1_440);
    queued = Math.max(0, queued + (perDay / 1_440) * wave - maxPerMinute);
    if (minute >= (days - 1) * 1_440) waits.push([queued / maxPerMinute, wave]);
  }
  waits.sort(([one], [other]) => one - other);
  // Each minute counts by the jobs that come in it.
  const all = waits.reduce((sum, [, jobsThen]) => sum + jobsThen, 0);
  const quantile = (share) => {
    let sum = 0;
    for (const [wait, jobsThen] of waits) if ((sum += jobsThen) >= share * all) return wait;
    return waits.at(-1)[0];
  };
  return [quantile(0.5), quantile(0.99)];
}

console.log(
  `\nA budget of ${requestsPerMinute} calls a minute is used up by ${Math.round(maxPerDay)} jobs a day.`,
);
for (const load of [0.4, 0.5, 0.7, 0.9, 1, 1.1]) {
  const [median, p99] = simulate(maxPerDay * load).map((minutes) => minutes.toFixed(1));
  const count = Math.round(maxPerDay * load)
    .toString()
    .padStart(9);
  console.log(`${count} jobs a day (${load} of it): wait ${median} min, 1 of 100 more than ${p99} min`);
}
