import type { FailpointName } from '../../src/core/failpoint';
import { complaints, rowId, statesOf } from './faults-audit';
import { eventually, isOver, within, type Job } from './faults-client';
import type { Crash, FaultsHouse } from './faults-house';

/** What kind of job goes the way. */
export type JobKind = 'training' | 'generation' | 'instant';

/**
 * How a job ends that met a crash on its way, by itself:
 * - `done`: as if nothing had happened, paid once
 * - `sent anew`: UNCERTAIN first; then it was evident that the upstream never got it, and it was paid once
 * - `unknown`: UNCERTAIN first; then FAILED as SUBMISSION_UNKNOWN, until a person pays again
 * - `done or refused`: done, perhaps in a second attempt; or refused, since no photo could be read while PostgreSQL was away
 */
export type End = 'done' | 'sent anew' | 'unknown' | 'done or refused';

/** One field of the crash matrix. */
export interface CrashCell {
  kind: JobKind;
  /** Where it stands when it is killed; `call:written` is after the upstream has executed and before it has answered. */
  point: FailpointName | 'call:written';
  /** The how many-th time that it comes there. */
  nth: number;
  crash: Crash;
  end: End;
  /** What was paid before a person paid again. */
  paid: number;
}

const done: Record<JobKind, string> = { training: 'READY', generation: 'COMPLETED', instant: 'COMPLETED' };
const retries: Record<JobKind, string> = {
  training: 'retryModel',
  generation: 'retryGeneration',
  instant: 'retryGeneration',
};
const operations = { training: 'train', generation: 'generate', instant: 'instant' } as const;

/** What the cells of a house have in common: its photos and its model. */
interface Ground {
  photoIds: string[];
  modelId: string;
}

const grounds = new WeakMap<FaultsHouse, Ground>();

let cells = 0;

/**
 * Sends a job on its way, kills what the cell says where it says, starts that again, and watches the job to its end:
 * nothing is paid twice, no id is lost, the states are those of the design, and the audit finds nothing.
 */
export async function crashOnTheWay(house: FaultsHouse, cell: CrashCell): Promise<void> {
  const ground = grounds.get(house) ?? (await prepare(house));
  grounds.set(house, ground);
  await house.freshBudget();
  const paidBefore = await house.paid();
  const key = `cell-${(cells += 1)}`;
  const ask = (): Promise<Job> => order(house, cell.kind, ground, key);

  const { reached } = await arm(house, cell);
  // Perhaps nobody hears the answer: then the same is asked again with the same key.
  const first = ask().catch(() => null);
  await within(`${cell.kind} at ${cell.point}`, reached);
  await crash(house, cell);

  const job = await eventually('the same answer to the same key', ask, () => true);
  const heard = await first;
  if (heard && heard.id !== job.id) throw new Error('The same key gave two jobs.');
  const ended = await ending(house, cell, job.id);
  await judge(house, cell, ended, (await house.paid()) - paidBefore);
  if (ended.status === 'FAILED') await payAgain(house, cell, ended);
  const found = await complaints(house);
  if (found.length > 0) throw new Error(found.join('\n'));
}

async function prepare(house: FaultsHouse): Promise<Ground> {
  const { client } = house;
  const photoIds = await client.upload(5);
  const { id: modelId } = await client.train(photoIds);
  await eventually(
    'the first model',
    () => client.model(modelId),
    (model) => model?.status === 'READY',
  );
  return { photoIds, modelId };
}

function order(house: FaultsHouse, kind: JobKind, { photoIds, modelId }: Ground, key: string): Promise<Job> {
  if (kind === 'training') return house.client.train(photoIds, key);
  if (kind === 'generation') return house.client.generate(modelId, 2, key);
  return house.client.instant(photoIds[0]!, key);
}

/** @returns `reached` resolves when the job has come to the cell's point */
async function arm(
  house: FaultsHouse,
  { kind, point, nth }: CrashCell,
): Promise<{ reached: Promise<unknown> }> {
  if (point !== 'call:written') {
    // The first question finds it running, so that there is a move that is not its last.
    const on = kind === 'training' ? 'model' : 'inference';
    if (point === 'move:committed') await house.sandbox.fault({ on, kind: 'status-back' });
    return house.gateway.arm(point, nth);
  }
  // So slow an answer that there is all the time in the world to kill whoever waits for it.
  const before = await house.paid();
  await house.sandbox.fault({ on: operations[kind], kind: 'slow', everyMs: 25 });
  const reached = eventually(
    'the call',
    () => house.paid(),
    (paid) => paid > before,
  );
  return { reached };
}

async function crash(house: FaultsHouse, { crash: what, point }: CrashCell): Promise<void> {
  const { gateway } = house;
  if (what === 'gateway') await gateway.kill();
  if (what === 'both') await Promise.all([gateway.kill(), house.crashPostgres()]);
  if (what === 'postgres') {
    const lines = gateway.log.length;
    await house.crashPostgres();
    if (point !== 'call:written') gateway.release();
    // It must have met the dead database before there is a living one again.
    await eventually(
      'a failure of the database',
      async () => gateway.log.slice(lines),
      (log) => log.some(({ level }) => level === 'warn' || level === 'error'),
    );
  }
  if (what !== 'gateway') await house.startPostgres();
  if (what !== 'postgres') await house.restartGateway();
}

function look(house: FaultsHouse, kind: JobKind, id: string): Promise<Job | null> {
  return kind === 'training' ? house.client.model(id) : house.client.generation(id);
}

async function ending(house: FaultsHouse, { kind }: CrashCell, id: string): Promise<Job> {
  return (await eventually(`the end of a ${kind}`, () => look(house, kind, id), isOver))!;
}

async function judge(house: FaultsHouse, cell: CrashCell, job: Job, paid: number): Promise<void> {
  const states = await statesOf(house, job.id);
  if (!endsAs[cell.end](cell, job, { paid, isUnsure: states.includes('UNCERTAIN') })) {
    const told = `${job.status} ${job.failure?.code ?? ''} after ${states.join(' → ')}`;
    throw new Error(`Not "${cell.end}", but ${told}, paid ${paid} in ${job.attempt} attempts.`);
  }
  if (cell.end !== 'done or refused') await judgeEvidence(house, cell, job);
}

interface Facts {
  paid: number;
  isUnsure: boolean;
}

const isDone = (cell: CrashCell, job: Job, { paid }: Facts): boolean =>
  job.status === done[cell.kind] && paid === cell.paid;

const endsAs: Record<End, (cell: CrashCell, job: Job, facts: Facts) => boolean> = {
  done: (cell, job, facts) => isDone(cell, job, facts) && job.attempt === 1,
  'sent anew': (cell, job, facts) => isDone(cell, job, facts) && facts.isUnsure && job.attempt === 2,
  unknown: (cell, job, { paid, isUnsure }) =>
    job.failure?.code === 'SUBMISSION_UNKNOWN' && isUnsure && job.attempt === 1 && paid === cell.paid,
  'done or refused': (cell, job, facts) =>
    isDone(cell, job, facts) || (job.failure?.code === 'PHOTO_UNREACHABLE' && facts.paid === 0),
};

/** What is written down of the photos must be what happened: only what the upstream got can have been fetched. */
async function judgeEvidence(house: FaultsHouse, { kind, end, paid }: CrashCell, job: Job): Promise<void> {
  const [first] = await house.rows<{ fetched: boolean }>(
    `SELECT photos_fetched_at IS NOT NULL AS fetched FROM submissions
      WHERE coalesce(model_id, generation_id) = $1 AND attempt = 1`,
    [rowId(job.id)],
  );
  const wanted = kind !== 'generation' && end !== 'sent anew' && paid > 0;
  if (first?.fetched !== wanted) throw new Error(`The evidence says fetched: ${String(first?.fetched)}.`);
}

/** A person pays again, and it is seen: in the number of attempts, and upstream. */
async function payAgain(house: FaultsHouse, cell: CrashCell, job: Job): Promise<void> {
  await house.freshBudget();
  const before = await house.paid();
  if (!job.failure?.retryable) throw new Error('It cannot be retried.');
  await house.client.change(retries[cell.kind], job.id);
  const again = await ending(house, cell, job.id);
  const paid = (await house.paid()) - before;
  if (again.status !== done[cell.kind] || again.attempt !== job.attempt + 1 || paid !== 1) {
    throw new Error(
      `The retry ended ${again.status} as attempt ${again.attempt} and was paid ${paid} times.`,
    );
  }
}
