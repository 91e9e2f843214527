import type { FailpointName } from '../../src/core/failpoint';
import type { Job } from '../support/client';
import { findViolations, rowId, statesOf } from '../support/faults-audit';
import type { Crash, FaultsEnvironment } from '../support/faults-environment';
import {
  ending,
  prepareFixtures,
  prepareMissing,
  operations,
  order,
  retryAndPay,
  successes,
  type JobKind,
} from '../support/faults-jobs';
import { eventually, within } from '../support/until';

/**
 * How a job ends after a crash, without further requests:
 * - `done`: as without a crash, paid once
 * - `resubmitted`: UNCERTAIN first; then it was evident that the upstream never got it, and it was paid once
 * - `unknown`: UNCERTAIN first; then FAILED as SUBMISSION_UNKNOWN, until a person retries
 * - `done or refused`: done, possibly in a second attempt; or refused, since no photo could be read during the outage
 */
export type End = 'done' | 'resubmitted' | 'unknown' | 'done or refused';

/** A cell of the crash matrix. */
export interface CrashCell {
  kind: JobKind;
  /** The point of the crash; `call:written` is after the upstream has executed and before it has answered. */
  point: FailpointName | 'call:written';
  /** At which visit of the point the crash happens. */
  nth: number;
  crash: Crash;
  end: End;
  /** The number of paid calls before a retry by a person. */
  paid: number;
}

/** A point, at which visit of it the crash happens, and the end when the gateway, or PostgreSQL alone, is killed there. */
export type CrashRow = readonly [
  point: CrashCell['point'],
  nth: number,
  gateway: End,
  postgres: End,
  paid?: number,
];

/** Both are killed right before and after the call only: elsewhere the next start finds what it finds after either. */
const killedTogether: ReadonlySet<string> = new Set([
  'submission:before-call',
  'call:written',
  'submission:journaled',
]);

/** The cells of a way of jobs; for `both`, those of the points where it differs. */
export function cellsOf(
  kind: JobKind,
  rows: readonly CrashRow[],
  crashes: readonly Crash[] = ['gateway', 'postgres', 'both'],
): CrashCell[] {
  return rows.flatMap(([point, nth, gateway, postgres, paid = 1]) =>
    crashes
      .filter((crash) => crash !== 'both' || killedTogether.has(point))
      .map((crash): CrashCell => {
        const isOutage = crash === 'postgres';
        return { kind, point, nth, crash, end: isOutage ? postgres : gateway, paid: isOutage ? 1 : paid };
      }),
  );
}

let cells = 0;

/**
 * Creates a job, crashes the processes of the cell at its point, restarts them, and waits for the end of the job:
 * nothing is paid twice, no id is lost, the states are as designed, and the audit finds no problem.
 */
export async function runWithCrash(environment: FaultsEnvironment, cell: CrashCell): Promise<void> {
  await prepareFixtures(environment);
  if (cell.kind === 'missing') await prepareMissing(environment);
  const paidBefore = await environment.paid();
  const key = `cell-${(cells += 1)}`;
  const ask = (): Promise<Job> => order(environment, cell.kind, key);

  const { reached } = await arm(environment, cell);
  // If the response is lost, the request is repeated with the same key.
  const first = ask().catch(() => null);
  await within(`${cell.kind} at ${cell.point}`, reached);
  await crash(environment, cell);

  const job = await eventually('the same answer to the same key', ask, () => true);
  const firstAnswer = await first;
  if (firstAnswer && firstAnswer.id !== job.id) throw new Error('The same key created two jobs.');
  const ended = await ending(environment, cell.kind, job.id);
  await checkOutcome(environment, cell, ended, (await environment.paid()) - paidBefore);
  if (ended.failure) await retryAndPay(environment, cell.kind, ended);
  const violations = await findViolations(environment);
  if (violations.length > 0) throw new Error(violations.join('\n'));
}

/** @returns `reached` resolves when the job has reached the point of the cell */
async function arm(
  environment: FaultsEnvironment,
  { kind, point, nth }: CrashCell,
): Promise<{ reached: Promise<unknown> }> {
  if (point !== 'call:written') {
    // The first poll finds it running, so that there is a transition before the last one.
    const on = kind === 'training' ? 'model' : 'inference';
    if (point === 'move:committed') await environment.sandbox.fault({ on, kind: 'status-back' });
    return environment.gateway.arm(point, nth);
  }
  // A slow response leaves enough time to kill the gateway.
  const before = await environment.paid();
  await environment.sandbox.fault({ on: operations[kind], kind: 'slow', everyMs: 25 });
  const reached = eventually(
    'the call',
    () => environment.paid(),
    (paid) => paid > before,
  );
  return { reached };
}

async function crash(environment: FaultsEnvironment, { crash: what, point }: CrashCell): Promise<void> {
  const { gateway } = environment;
  if (what === 'gateway') await gateway.kill();
  if (what === 'both') await Promise.all([gateway.kill(), environment.crashPostgres()]);
  if (what === 'postgres') {
    const lines = gateway.log.length;
    await environment.crashPostgres();
    if (point !== 'call:written') gateway.release();
    // The gateway must detect the outage before PostgreSQL is started again.
    await eventually(
      'a failure of the database',
      async () => gateway.log.slice(lines),
      (log) => log.some(({ level }) => level === 'warn' || level === 'error'),
    );
  }
  if (what !== 'gateway') await environment.startPostgres();
  if (what !== 'postgres') await environment.restartGateway();
}

async function checkOutcome(
  environment: FaultsEnvironment,
  cell: CrashCell,
  job: Job,
  paid: number,
): Promise<void> {
  const states = await statesOf(environment, job.id);
  if (!endsAs[cell.end](cell, job, { paid, isUnsure: states.includes('UNCERTAIN') })) {
    const received = `${job.status} ${job.failure?.code ?? ''} after ${states.join(' → ')}`;
    throw new Error(`Expected "${cell.end}", received ${received}, paid ${paid} in ${job.attempt} attempts.`);
  }
  if (cell.end !== 'done or refused') await checkEvidence(environment, cell, job);
}

interface Facts {
  paid: number;
  isUnsure: boolean;
}

/** The number of the attempt that the cell interrupts. */
const firstAttempt = ({ kind }: CrashCell): number => (kind === 'missing' ? 2 : 1);

const isDone = (cell: CrashCell, job: Job, { paid }: Facts): boolean =>
  job.status === successes[cell.kind] && paid === cell.paid;

const endsAs: Record<End, (cell: CrashCell, job: Job, facts: Facts) => boolean> = {
  done: (cell, job, facts) => isDone(cell, job, facts) && job.attempt === firstAttempt(cell),
  resubmitted: (cell, job, facts) =>
    isDone(cell, job, facts) && facts.isUnsure && job.attempt === firstAttempt(cell) + 1,
  unknown: (cell, job, { paid, isUnsure }) =>
    job.failure?.code === 'SUBMISSION_UNKNOWN' &&
    job.status === (cell.kind === 'missing' ? 'PARTIAL' : 'FAILED') &&
    isUnsure &&
    job.attempt === firstAttempt(cell) &&
    paid === cell.paid,
  'done or refused': (cell, job, facts) =>
    isDone(cell, job, facts) || (job.failure?.code === 'PHOTO_UNREACHABLE' && facts.paid === 0),
};

/** The recorded photo fetches must match: only an executed call can have fetched photos. */
async function checkEvidence(
  environment: FaultsEnvironment,
  { kind, end, paid }: CrashCell,
  job: Job,
): Promise<void> {
  const [first] = await environment.rows<{ fetched: boolean }>(
    `SELECT photos_fetched_at IS NOT NULL AS fetched FROM submissions
      WHERE coalesce(model_id, generation_id) = $1 AND attempt = 1`,
    [rowId(job.id)],
  );
  const fetchesPhotos = kind === 'training' || kind === 'instant';
  const expected = fetchesPhotos && end !== 'resubmitted' && paid > 0;
  if (first?.fetched !== expected) throw new Error(`The evidence says fetched: ${String(first?.fetched)}.`);
}
