// What a number of jobs a day needs: the costs of one job as the scenario job-costs has measured them (job-costs.json, or
// --costs), multiplied, and a simulation of days with the budget and the poll times of the product. See docs/scaling.md.
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { benchFolder, productFolder } from './lib/processes.mjs';
import { printTable } from './lib/report.mjs';

const options = {
  jobs: { type: 'string', default: '1000000' },
  // A minute; 500: Picsart's documented limit.
  requests: { type: 'string', default: '500' },
  'poll-share': { type: 'string', default: '0.75' },
  'max-poll-speedup': { type: 'string', default: '8' },
  // Assumptions: the share of trainings, and bytes of a stored photo and picture.
  trainings: { type: 'string', default: '0.1' },
  'photo-bytes': { type: 'string', default: '60000' },
  'picture-bytes': { type: 'string', default: '90000' },
  // Examples of prices in EUR: the first two are those of docs/money.md for 5 photos and 4 avatars.
  'training-price': { type: 'string', default: '2.75' },
  'generation-price': { type: 'string', default: '0.08' },
  'gb-month': { type: 'string', default: '0.02' },
  'database-gb-month': { type: 'string', default: '0.10' },
  costs: { type: 'string', default: join(benchFolder, 'job-costs.json') },
};
const { costs: costsFile, ...texts } = parseArgs({ options }).values;
const given = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Number(text)]));

if (!existsSync(join(productFolder, 'dist/main.js'))) throw new Error('Run `npm run build` first.');
const load = createRequire(import.meta.url);
const product = (name) => load(join(productFolder, 'dist', name));
const { picsartFacts } = product('upstream/picsart/facts.js');
const { UpstreamBudget } = product('upstream/budget.repository.js');
const { PollTiming } = product('jobs/poll-timing.js');
const { DurationSketch } = product('jobs/duration-sketch.js');

const facts = picsartFacts(1);
const [photosEach, avatarsEach, keptDays] = [5, 4, 7];
/** An event with its index entries: docs/adr/0042. It is kept for EVENT_RETENTION, and is part of what job-costs counts as kept. */
const eventBytes = 525;
/** What the process of the gateway grows by for each subscriber: docs/performance.md. */
const socketBytes = 16_000;
const minutesPerDay = 1_440;

/** Durations are evenly distributed between the documented ones. */
function kindOf(share, { minMs, maxMs }, plan, { rows, bytes, price }) {
  const sketch = new DurationSketch();
  sketch.add({ minMs, maxMs }, 1);
  return {
    share,
    minMs,
    maxMs,
    meanMs: (minMs + maxMs) / 2,
    durations: sketch.quantiles(),
    plan,
    rows,
    bytes,
    price,
  };
}

const kinds = {
  training: kindOf(given.trainings, facts.trainingDuration, facts.trainingPoll, {
    rows: 'trainings',
    bytes: photosEach * given['photo-bytes'],
    price: given['training-price'],
  }),
  generation: kindOf(1 - given.trainings, facts.generationDuration, facts.generationPoll, {
    rows: 'generations',
    bytes: avatarsEach * given['picture-bytes'],
    price: given['generation-price'],
  }),
};
const each = Object.values(kinds);

/** The budget of the product for so many calls a minute, in calls a minute in the long run. */
function budgetOf(requestsPerMinute) {
  const limits = { requestsPerMinute, pollShare: given['poll-share'], probeIntervalMs: 0, maxCallMs: 0 };
  const budget = new UpstreamBudget(null, { name: 'picsart', account: '', facts }, limits);
  return { polls: budget.perSecond('poll') * 60, submissions: budget.perSecond('submit') * 60 };
}

/** When the product polls jobs of which so many are submitted in a minute: the polls of each, and how late they see its end. */
async function pollsAt(jobsPerMinute, budget) {
  const running = (kind) => (jobsPerMinute * kind.share * kind.meanMs) / 60_000;
  const asRead = each.map((kind, index) => ({
    kind: { table: String(index), running: '' },
    expect: async () => ({ durations: kind.durations, isLearned: true }),
  }));
  // The one statement of PollTiming counts the running jobs of a table.
  const sql = {
    rows: async (text) => [{ running: running(each[Number(/FROM (\d+) WHERE/.exec(text)[1])]) }],
  };
  const timing = new PollTiming(sql, 'picsart', asRead, {
    pollsPerMs: budget.polls / 60_000,
    maxSpeedup: given['max-poll-speedup'],
  });
  return Promise.all(each.map((kind) => pollsOf(kind, timing)));
}

async function pollsOf({ durations, minMs, maxMs, plan }, timing) {
  const times = [];
  for (let atMs = 0; atMs < maxMs; times.push(atMs))
    atMs += await timing.nextPollMs({ durations, isLearned: true }, atMs, plan);
  const samples = 1_000;
  let [polls, lateMs] = [0, 0];
  for (let index = 0; index < samples; index += 1) {
    const endMs = minMs + ((index + 0.5) / samples) * (maxMs - minMs);
    const seen = times.findIndex((atMs) => atMs >= endMs);
    polls += (seen + 1) / samples;
    lateMs += (times[seen] - endMs) / samples;
  }
  return { polls, lateMs };
}

/** The share of a day's jobs that come in a minute: a wave whose top is twice the mean. */
const waveAt = (minute) => (1 + Math.sin((2 * Math.PI * minute) / minutesPerDay)) / minutesPerDay;

/**
 * Simulates days in minutes: jobs come as a wave, and are submitted in the order of their arrival as the budget allows.
 * @returns the last day: what is submitted in each minute, and how long its jobs wait
 */
function simulate(perDay, { submissions }, days = 3) {
  const minutes = [];
  let queued = 0;
  for (let minute = 0; minute < days * minutesPerDay; minute += 1) {
    const arriving = perDay * waveAt(minute);
    const submitted = Math.min(queued + arriving, submissions);
    queued += arriving - submitted;
    if (minute >= (days - 1) * minutesPerDay)
      minutes.push({ arriving, submitted, waitMinutes: queued / submissions });
  }
  return minutes;
}

/** The wait that a share of the jobs does not exceed, in minutes. */
function waitOf(minutes, share) {
  const sorted = [...minutes].sort((one, other) => one.waitMinutes - other.waitMinutes);
  const all = sorted.reduce((sum, { arriving }) => sum + arriving, 0);
  let sum = 0;
  return (
    sorted.find(({ arriving }) => (sum += arriving) >= share * all)?.waitMinutes ?? sorted.at(-1).waitMinutes
  );
}

/** The polls of a day, by kind. */
async function pollsOfDay(minutes, budget) {
  const step = 10;
  const sums = each.map(() => 0);
  for (let minute = 0; minute < minutes.length; minute += step) {
    const { submitted } = minutes[minute];
    if (submitted < 1e-3) continue;
    const found = await pollsAt(submitted, budget);
    each.forEach(({ share }, index) => (sums[index] += submitted * share * found[index].polls * step));
  }
  return sums;
}

/** A cost of a job with so many polls, by the line through the two measured numbers of polls. */
function costOf(kind, name, polls) {
  const [few, many] = measured
    .filter((row) => row.kind === kind.rows)
    .sort((one, other) => one.polls - other.polls);
  return few[name] + ((many[name] - few[name]) / (many.polls - few.polls)) * (polls - few.polls);
}

/** A result of the benchmark. */
const origin = JSON.parse(readFileSync(costsFile, 'utf8'));
const measured = origin.scenarios['job-costs'].rows;
const photo = measured.find(({ kind }) => kind === 'photos');

/** What a day needs, with the polls that the budget of so many calls a minute leaves. */
async function dayOf(jobs, requestsPerMinute) {
  const budget = budgetOf(requestsPerMinute);
  const minutes = simulate(jobs, budget);
  const polls = await pollsOfDay(minutes, budget);
  const submitted = minutes.reduce((sum, minute) => sum + minute.submitted, 0);
  const pollsEach = each.map(({ share }, index) => polls[index] / (submitted * share));
  const sumOf = (valueOf) =>
    each.reduce((sum, kind, index) => sum + jobs * kind.share * valueOf(kind, index), 0);
  const total = (name) =>
    sumOf((kind, index) => costOf(kind, name, pollsEach[index])) +
    jobs * kinds.training.share * photosEach * photo[name];
  const eventsPerDay = total('events') * eventBytes;
  return {
    ...{ jobs, polls: polls.reduce((sum, count) => sum + count, 0), pollsEach, total },
    ...{ eventsKept: eventsPerDay * keptDays, rowsKept: total('kept bytes') - eventsPerDay },
    ...{ stored: sumOf(({ bytes }) => bytes), price: sumOf(({ price }) => price) },
    running: busiest(sumOf(({ meanMs }) => meanMs)) / 3_600_000,
  };
}

/** The part of a day that falls into its busiest hour. */
const busiest = (perDay) => (perDay * 2) / 24;

function amountsOf({ jobs, polls, pollsEach, total, eventsKept, rowsKept, stored, price, running }) {
  const perSecond = (name) => busiest(total(name)) / 3_600;
  return {
    submissions: jobs,
    polls,
    'polls of a training': pollsEach[0],
    'polls of a generation': pollsEach[1],
    statements: total('statements'),
    'statements a second, busiest hour': perSecond('statements'),
    'transactions a second, busiest hour': perSecond('transactions'),
    'rows inserted': total('rows inserted'),
    'rows updated': total('updated'),
    events: total('events'),
    'events a second, busiest hour': perSecond('events'),
    'GB of WAL': total('WAL bytes') / 1e9,
    'MB of WAL a second, busiest hour': perSecond('WAL bytes') / 1e6,
    'GB of events (7 days)': eventsKept / 1e9,
    'GB of other rows, more each day': rowsKept / 1e9,
    'GB of photos and pictures, more each day': stored / 1e9,
    'hours of processor time of PostgreSQL': total('database ms') / 3_600_000,
    'cores of PostgreSQL, busiest hour': perSecond('database ms') / 1_000,
    'hours of processor time of the gateway': total('server ms') / 3_600_000,
    'jobs that run at a time, busiest hour': running,
    'MB of sockets, if one client follows each': (running * socketBytes) / 1e6,
    'EUR for the avatar service (example)': price,
    'EUR a month for the pictures of a day (example)': (stored / 1e9) * given['gb-month'],
    'EUR a month for the rows of a day (example)': (rowsKept / 1e9) * given['database-gb-month'],
    'EUR a month for events (example)': (eventsKept / 1e9) * given['database-gb-month'],
  };
}

async function waits(requestsPerMinute) {
  const budget = budgetOf(requestsPerMinute);
  const maxPerDay = budget.submissions * minutesPerDay;
  const rows = [];
  for (const share of [0.25, 0.5, 0.7, 0.9, 1]) {
    const minutes = simulate(maxPerDay * share, budget);
    const top = Math.max(...minutes.map(({ submitted }) => submitted));
    const [training, generation] = await pollsAt(top, budget);
    const wanted = top * (kinds.training.share * training.polls + kinds.generation.share * generation.polls);
    rows.push({
      'jobs a day': Math.round(maxPerDay * share),
      'of the limit': share,
      'median wait, min': waitOf(minutes, 0.5),
      p99: waitOf(minutes, 0.99),
      'polls of a training': training.polls,
      'end seen after, s': training.lateMs / 1_000,
      'polls of a generation': generation.polls,
      'seen after, s': generation.lateMs / 1_000,
      'polls a minute': Math.round(wanted),
      allowed: Math.round(budget.polls),
    });
  }
  printTable(
    `${requestsPerMinute} calls a minute, ${Math.round(budget.submissions)} of them submissions: waits, and polls at the top of the wave`,
    rows,
  );
}

console.log(`Costs of a job: ${costsFile}, ${origin.startedAt}, commit ${origin.commit.slice(0, 8)}`);
/** So that no job waits at the top of the wave. */
const withoutWaiting = (given.jobs * 2) / minutesPerDay / budgetOf(1).submissions;
await waits(given.requests);
const requestsPerMinute = Math.max(given.requests, withoutWaiting);
console.log(`\nA day of ${given.jobs} jobs with ${Math.round(requestsPerMinute)} calls a minute`);
for (const [name, amount] of Object.entries(amountsOf(await dayOf(given.jobs, requestsPerMinute))))
  console.log(`  ${name.padEnd(50)}${amount.toPrecision(3)}`);
