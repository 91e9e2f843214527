import { setTimeout as pause } from 'node:timers/promises';
import { findViolations } from '../support/faults-audit';
import { FaultsEnvironment } from '../support/faults-environment';
import { prepareFixtures } from '../support/faults-jobs';
import { eventually } from '../support/until';
import { FaultSchedule } from './fault-schedule';

/*
 * Five minutes, 2,000 jobs, an upstream with faults in one of ten calls, two of three gateways killed at random:
 * all jobs must end. `npm run soak [jobs] [minutes]`. Prints figures; exits with 1 on a violation.
 */

const jobs = Number(process.argv[2] ?? 2_000);
const minutes = Number(process.argv[3] ?? 5);

/** One of so many jobs is a training; the others are generations of one avatar. */
const trainingsEvery = 10;
const failingShare = 0.1;
/** The maximum wait between two kills, in milliseconds. */
const killMs = 20_000;
const speed = 600;

/** The state and results of the soak test. */
interface Soak {
  environment: FaultsEnvironment;
  schedule: FaultSchedule;
  endsMs: number;
  kills: number;
  memory: number[];
  answersMs: number[];
  isSettling: boolean;
}

async function open(): Promise<Soak> {
  const environment = await FaultsEnvironment.open({
    ownPostgres: true,
    gateways: 3,
    sandbox: { speed, rateLimit: { requests: 100_000, windowMs: 1_000 } },
    settings: {
      UPSTREAM: 'sandbox',
      SANDBOX_SPEED: String(speed),
      POLL_SPEED: '1',
      LEASE: '5s',
      SUBMIT_TIMEOUT: '5s',
      TRAINING_DEADLINE: '60s',
      GENERATION_DEADLINE: '60s',
    },
  });
  await prepareFixtures(environment);
  return {
    environment,
    schedule: new FaultSchedule(environment, failingShare, Math.random),
    endsMs: Date.now() + minutes * 60_000,
    kills: 0,
    memory: [],
    answersMs: [],
    isSettling: false,
  };
}

/** Creates the jobs, spread over the time less what the last ones need; at any gateway, repeated until answered. */
async function traffic(soak: Soak): Promise<void> {
  const { environment } = soak;
  const { photoIds, modelId } = await prepareFixtures(environment);
  const everyMs = (minutes * 60_000 * 0.85) / jobs;
  const asking: Promise<void>[] = [];
  const startMs = Date.now();
  for (let index = 0; index < jobs; index += 1) {
    await pause(Math.max(0, startMs + index * everyMs - Date.now()));
    asking.push(askOne(soak, index, photoIds, modelId));
  }
  await Promise.all(asking);
}

async function askOne(soak: Soak, index: number, photoIds: string[], modelId: string): Promise<void> {
  const client = soak.environment.clientOf(() => soak.environment.gateways[Math.floor(Math.random() * 3)]!);
  const beganMs = performance.now();
  await eventually(
    'an answer',
    () =>
      index % trainingsEvery === 0
        ? client.train({ photoIds, idempotencyKey: `soak-${index}` })
        : client.generate(modelId, [{ count: 1 }], `soak-${index}`),
    () => true,
    120_000,
  );
  soak.answersMs.push(performance.now() - beganMs);
}

/** Kills the second or the third gateway repeatedly. */
async function kills(soak: Soak): Promise<void> {
  while (!soak.isSettling) {
    await pause(killMs * (0.5 + Math.random() / 2));
    const victim = 1 + Math.floor(Math.random() * 2);
    await soak.environment.gateways[victim]!.kill();
    soak.kills += 1;
    await soak.environment.restartGateway(victim);
  }
}

async function schedule(soak: Soak): Promise<void> {
  while (!soak.isSettling) {
    await soak.schedule.scheduleFault();
    await pause(100);
  }
}

/** The memory of the gateway that is never killed. */
async function watch(soak: Soak): Promise<void> {
  while (!soak.isSettling) {
    soak.memory.push((await soak.environment.gateway.memory()).now);
    await pause(2_000);
  }
}

const unfinished = `SELECT count(*)::int AS count FROM (SELECT status FROM models UNION ALL SELECT status FROM generations) job
  WHERE status NOT IN ('READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED')`;

async function settle({ environment }: Soak): Promise<void> {
  await eventually(
    'the end of all jobs',
    () => environment.rows<{ count: number }>(unfinished),
    ([row]) => row!.count === 0,
    300_000,
  );
}

async function figures(soak: Soak, startMs: number, settledMs: number): Promise<[string, string][]> {
  const { environment } = soak;
  const ends = await environment.rows<{ end: string; count: number }>(
    `SELECT coalesce(failure_code, status) AS end, count(*)::int AS count FROM
       (SELECT status, failure_code FROM models UNION ALL SELECT status, failure_code FROM generations) job
      GROUP BY 1 ORDER BY 2 DESC`,
  );
  const { calls, ...counts } = await environment.sandbox.counts();
  const all = Object.values(calls).reduce((sum, count) => sum + count, 0);
  const { peak } = await environment.gateway.memory();
  const megabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  const third = Math.floor(soak.memory.length / 3);
  const answers = [...soak.answersMs].sort((a, b) => a - b);
  const at = (share: number): string =>
    `${Math.round(answers[Math.floor(share * (answers.length - 1))]!)} ms`;
  return [
    [
      'requested jobs',
      `${jobs} in ${minutes} minutes, the last one ended ${Math.round((settledMs - startMs) / 1_000)} s after the first`,
    ],
    ...ends.map(({ end, count }): [string, string] => [`… that ended ${end}`, String(count)]),
    ['paid by the upstream', `${counts.trainings} trainings, ${counts.generations} generations`],
    [
      'calls to the upstream',
      `${all}, of which ${soak.schedule.total} had a fault (${((100 * soak.schedule.total) / all).toFixed(1)} %) in ${soak.schedule.faults.size} kinds`,
    ],
    ['gateways killed', String(soak.kills)],
    ['response time of a mutation, repetitions included', `${at(0.5)} (median), ${at(0.99)} (99 of 100)`],
    [
      'memory of the gateway that was not killed',
      `${megabytes(median(soak.memory.slice(0, third)))} in the first third, ${megabytes(median(soak.memory.slice(-third)))} in the last, ${megabytes(peak)} maximum`,
    ],
  ];
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

async function main(): Promise<void> {
  const soak = await open();
  try {
    const startMs = Date.now();
    const running = [schedule(soak), watch(soak), kills(soak)];
    await traffic(soak);
    await pause(Math.max(0, soak.endsMs - Date.now()));
    soak.isSettling = true;
    await Promise.all(running);
    await soak.environment.clearFaults();
    await settle(soak);
    const table = await figures(soak, startMs, Date.now());
    const broken = await findViolations(soak.environment);
    const rows = [...table, ['violations', String(broken.length)]];
    process.stdout.write(`${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}\n${broken.join('\n')}\n`);
    if (broken.length > 0) process.exitCode = 1;
  } finally {
    await soak.environment.stop();
  }
}

void main();
