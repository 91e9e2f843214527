// Compares the product with other servers on one PostgreSQL; README.md explains the options and the result.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openDatabase } from './lib/database.mjs';
import { productFolder, Server } from './lib/processes.mjs';
import { AnswersDiffer, printTable, writeResult } from './lib/report.mjs';
import { local, ownersOf } from './lib/requests.mjs';
import { prepareSeed, seedLibrary, settle } from './lib/seed.mjs';
import { commits } from './scenarios/commits.mjs';
import { fairness } from './scenarios/fairness.mjs';
import { firstAvatar } from './scenarios/first-avatar.mjs';
import { idle } from './scenarios/idle.mjs';
import { jobCosts } from './scenarios/job-costs.mjs';
import { list, listFallback, listUrls } from './scenarios/list.mjs';
import { lookup } from './scenarios/lookup.mjs';
import { media, photos } from './scenarios/media.mjs';
import { mutations } from './scenarios/mutations.mjs';
import { partitions } from './scenarios/partitions.mjs';
import { pollerFree, pollerHeld, pollerSpent } from './scenarios/poller.mjs';
import { processes } from './scenarios/processes.mjs';
import { reconnectStorm } from './scenarios/reconnect-storm.mjs';
import { scale } from './scenarios/scale.mjs';
import { subscriptions } from './scenarios/subscriptions.mjs';
import { uploads } from './scenarios/uploads.mjs';

const scenarios = [
  list,
  listUrls,
  listFallback,
  lookup,
  mutations,
  uploads,
  photos,
  media,
  firstAvatar,
  fairness,
  idle,
  jobCosts,
  scale,
  subscriptions,
  reconnectStorm,
  pollerSpent,
  pollerFree,
  pollerHeld,
  processes,
  partitions,
  commits,
];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    connections: { type: 'string' },
    owners: { type: 'string' },
    subscribers: { type: 'string' },
    models: { type: 'string' },
    jobs: { type: 'string' },
    events: { type: 'string' },
    setting: { type: 'string', multiple: true, default: [] },
  },
});

const full = {
  rounds: 5,
  seconds: 3,
  connections: '1,32,128',
  owners: 2_000,
  subscribers: 10_000,
  models: 100_000,
  jobs: 100_000,
  events: 1_000_000,
};
const quick = { ...full, rounds: 2, seconds: 1.2, connections: '32', owners: 200 };

/** The options of a run: those of the command line, else the defaults. */
function readOptions() {
  const defaults = values.quick ? quick : full;
  const number = (name) => Number(values[name] ?? defaults[name]);
  return {
    isQuick: values.quick,
    scenarios: chosen().map(({ name }) => name),
    rounds: number('rounds'),
    seconds: number('seconds'),
    warmUpSeconds: values.quick ? 0.8 : 3,
    connections: (values.connections ?? defaults.connections).split(',').map(Number),
    owners: number('owners'),
    subscribers: number('subscribers'),
    models: number('models'),
    jobs: number('jobs'),
    events: number('events'),
    settings: Object.fromEntries(values.setting.map((text) => /^(\w+)=(.*)$/s.exec(text).slice(1))),
  };
}

function chosen() {
  const names = values.only?.flatMap((text) => text.split(','));
  const unknown = names?.filter((name) => !scenarios.some((each) => each.name === name)) ?? [];
  if (unknown.length > 0) {
    throw new Error(
      `Unknown: ${unknown.join(', ')}. Scenarios: ${scenarios.map(({ name }) => name).join(', ')}.`,
    );
  }
  return scenarios.filter(({ name, isQuick }) => names?.includes(name) ?? (!values.quick || isQuick));
}

async function main() {
  const options = readOptions();
  if (!existsSync(join(productFolder, 'dist/main.js'))) throw new Error('Run `npm run build` first.');
  const folder = mkdtempSync(join(tmpdir(), 'likeness-bench-'));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const database = await openDatabase(folder);
  cleanUps.push(database.close, Server.stopAll);
  await seed(database, options);
  const result = { ...environment(), postgres: database.version, options, scenarios: {} };
  for (const scenario of chosen()) {
    result.scenarios[scenario.name] = await runScenario({ options, database, folder }, scenario);
  }
  console.log(`\nResult: ${writeResult(result)}`);
}

/** Run in reverse order at the end, also after an error or a signal. */
const cleanUps = [];

async function cleanUp() {
  for (let next = cleanUps.pop(); next; next = cleanUps.pop()) await next();
}

async function seed({ rows }, { owners }) {
  await prepareSeed(rows);
  await seedLibrary(rows, local);
  await seedLibrary(rows, ownersOf(owners));
  await settle(rows);
}

async function runScenario(bench, scenario) {
  const { rows, samples } = await scenario.run(bench);
  await Server.stopAll();
  printTable(`${scenario.name}: ${scenario.title}`, rows);
  return { title: scenario.title, rows, samples };
}

function environment() {
  const git = (...args) => execFileSync('git', args, { cwd: productFolder, encoding: 'utf8' }).trim();
  return {
    startedAt: new Date().toISOString(),
    commit: git('rev-parse', 'HEAD'),
    isModified: git('status', '--porcelain', '--', 'src') !== '',
    node: process.version,
    cpu: `${cpus().length} × ${cpus()[0].model}`,
    loadAtStart: loadavg()[0],
  };
}

for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => void cleanUp().then(() => process.exit(1)));

main()
  .catch((error) => {
    console.error(error instanceof AnswersDiffer ? `The answers differ: ${error.message}` : error);
    process.exitCode = 1;
  })
  .finally(cleanUp);
