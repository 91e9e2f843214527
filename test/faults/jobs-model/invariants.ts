import { generationMoves } from '../../../src/generations/generation.state';
import type { JobRow } from '../../../src/jobs/job.kind';
import type { SubmissionEntity } from '../../../src/jobs/submission.entity';
import { modelMoves } from '../../../src/models/model.state';
import type { JobEvent } from '../../support/job-harness';
import type { TrackedJob, UpstreamCall } from './oracle';
import type { JobSimulation } from './simulation';

const moves: Record<string, Readonly<Record<string, readonly string[]>>> = {
  models: modelMoves,
  generations: generationMoves,
};

/** States that rows never leave. */
const final = new Set(['READY', 'COMPLETED', 'PARTIAL', 'CANCELLED']);

/** All end states. */
const ends = new Set([...final, 'FAILED']);

/**
 * Checks the invariants that hold at every moment.
 * @returns the violations
 */
export async function brokenInvariants(simulation: JobSimulation): Promise<string[]> {
  const broken = await Promise.all(simulation.jobs.map((job) => brokenJob(simulation, job)));
  const money = [...(await simulation.harness.brokenLedgerEntries()), ...(await brokenSpending(simulation))];
  return [...simulation.violations, ...broken.flat(), ...money];
}

async function brokenJob(simulation: JobSimulation, job: TrackedJob): Promise<string[]> {
  const { harness } = simulation;
  const [row, events, ledger] = await Promise.all([
    harness.find(job),
    harness.events(job),
    harness.ledger(job),
  ]);
  const broken = [...brokenCalls(simulation, job), ...brokenSequence(job, events)];
  if (row === null) return [...broken, ...brokenDeletion(job, events)];
  const received = events.filter(({ kind }) => kind === eventKind(job));
  broken.push(
    ...brokenMoves(job, row, received),
    ...brokenRow(job, row),
    ...brokenLedger(simulation, job, row, ledger),
  );
  job.last = row;
  return broken;
}

/** Checks the invariants that hold once all work has ended: no job waits forever, and no id is only in a journal. */
export async function unsettled(simulation: JobSimulation): Promise<string[]> {
  const broken = await brokenInvariants(simulation);
  for (const job of simulation.jobs) {
    const row = await simulation.harness.find(job);
    if (row && !ends.has(row.status)) broken.push(`it still is ${row.status}`);
  }
  for (const process of simulation.processes)
    if (process.recorder.isBehind) broken.push('an id is still in the journal alone');
  return broken;
}

const eventKind = (job: TrackedJob): string => (job.table === 'models' ? 'MODEL' : 'GENERATION');

/** At most one paid call per attempt, and no second payment without a retry by a person. */
function brokenCalls({ calls }: JobSimulation, job: TrackedJob): string[] {
  const own = calls.filter((call) => call.job === job);
  const broken: string[] = [];
  if (new Set(own.map(({ attempt }) => attempt)).size < own.length)
    broken.push('an attempt was called twice');
  const taken = own.filter(({ isExecuted }) => isExecuted).length;
  if (taken > 1 + job.retries) broken.push(`paid ${taken} times with ${job.retries} retries`);
  return broken;
}

/** What the upstream executes is not released. */
async function brokenSpending({ harness, calls }: JobSimulation): Promise<string[]> {
  const rows = await harness.database.rows<{ job: string; kept: number }>(
    `SELECT r.job_id AS job, count(*) FILTER (WHERE e.kind IS DISTINCT FROM 'RELEASED')::int AS kept
       FROM ledger_entries r LEFT JOIN ledger_entries e ON e.reservation_id = r.id AND e.id <> r.id
      WHERE r.kind = 'RESERVED' GROUP BY r.job_id`,
  );
  return rows.flatMap(({ job, kept }) => {
    const executed = calls.filter((call) => call.job.id === job && call.isExecuted).length;
    return executed > kept ? [`${executed} calls were executed, ${kept} are reserved or spent`] : [];
  });
}

/** Events are numbered without gaps; a deleted stream keeps its last event. */
function brokenSequence(job: TrackedJob, events: readonly JobEvent[]): string[] {
  const isWhole = job.isDeleted && job.id === job.streamId;
  const first = isWhole ? events[0]?.sequence : 1;
  const isGapless = events.every(({ sequence }, index) => sequence === first! + index);
  return isGapless && (!isWhole || events.length === 1) ? [] : ['there is a gap in the events'];
}

/** Events contain allowed transitions and increasing progress, and end with the state of the row. */
function brokenMoves(job: TrackedJob, row: JobRow, received: readonly JobEvent[]): string[] {
  const broken: string[] = [];
  const states = received.map(({ payload }) => payload);
  states.forEach(({ status, progress }, index) => {
    const before = states[index - 1];
    if (!before) return;
    if (status !== before.status && !moves[job.table]![before.status]!.includes(status))
      broken.push(`it went from ${before.status} to ${status}`);
    if (progress < before.progress && status !== 'QUEUED')
      broken.push(`its progress went from ${before.progress} to ${progress} as ${status}`);
  });
  const last = states.at(-1);
  if (last?.status !== row.status || last.progress !== row.progress)
    broken.push(
      `the last event has ${last?.status} ${last?.progress}, the row ${row.status} ${row.progress}`,
    );
  return broken;
}

function brokenDeletion(job: TrackedJob, events: readonly JobEvent[]): string[] {
  return whatBroke([
    [!job.isDeleted, 'a job is missing without a deletion'],
    [events.at(-1)?.kind !== 'DELETED', 'the deletion event is missing'],
  ]);
}

/** A job in a final state does not change; any other job has a due time. */
function brokenRow({ last, setAside }: TrackedJob, row: JobRow): string[] {
  const isFinal = final.has(row.status);
  const before = last ?? row;
  return whatBroke([
    [setAside.has(row.providerRef ?? ''), 'an attempt came back that was put aside'],
    [
      final.has(before.status) && !isAllowed(before.status, row.status),
      `${before.status} became ${row.status}`,
    ],
    [row.attempt < before.attempt, 'the attempts went back'],
    [!ends.has(row.status) && row.dueAt === null, `${row.status} without a due time`],
    [isFinal && row.dueAt !== null, `${row.status} with a due time`],
  ]);
}

/** A picture may arrive after its generation has ended without it. */
function isAllowed(before: string, now: string): boolean {
  return before === now || (before === 'PARTIAL' && now === 'COMPLETED');
}

function whatBroke(rules: readonly [isBroken: boolean, what: string][]): string[] {
  return rules.filter(([isBroken]) => isBroken).map(([, what]) => what);
}

/** Every attempt is in the ledger, and no recorded id is missing. */
function brokenLedger(
  simulation: JobSimulation,
  job: TrackedJob,
  row: JobRow,
  ledger: readonly SubmissionEntity[],
): string[] {
  const isNumbered = ledger.every(({ attempt }, index) => attempt === index + 1);
  const broken = whatBroke([
    [!isNumbered || ledger.length !== row.attempt, `attempt ${row.attempt}, ${ledger.length} in the ledger`],
  ]);
  const known = simulation.calls.filter(
    (call) => call.job === job && call.isKnown && !isGivenTwice(simulation, call),
  );
  for (const call of known) broken.push(...brokenId(simulation, call, row, ledger[call.attempt - 1]));
  return broken;
}

/** A recorded id is in the ledger, or in the journal before that, and the job continues with it. */
function brokenId(
  simulation: JobSimulation,
  call: UpstreamCall,
  row: JobRow,
  entry: SubmissionEntity | undefined,
): string[] {
  if (!isStored(entry, call)) return isInJournal(simulation, call) ? [] : [`the id ${call.ref} is lost`];
  if (row.attempt !== call.attempt || row.providerRef === call.ref) return [];
  const isPutAside = call.job.setAside.has(call.ref ?? '');
  return isPutAside ? [] : [`${row.status} by ${row.providerRef} and not by ${call.ref}`];
}

function isStored(entry: SubmissionEntity | undefined, { ref }: UpstreamCall): boolean {
  return entry?.outcome === 'ACCEPTED' && entry.providerRef === ref;
}

/** If the upstream returns one id for two jobs, the job that is stored first keeps it. */
function isGivenTwice({ calls }: JobSimulation, { ref }: UpstreamCall): boolean {
  return calls.filter((call) => call.ref === ref).length > 1;
}

function isInJournal({ processes }: JobSimulation, { job, attempt, ref }: UpstreamCall): boolean {
  return processes.some(({ journal }) =>
    journal.unsettled.some((entry) => entry.id === job.id && entry.attempt === attempt && entry.ref === ref),
  );
}
