import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { readGlobalId } from '../../src/core/ids';
import type { FaultsEnvironment } from './faults-environment';
import { mediaDirectory, orphans, pictures, type PictureStore } from './faults-pictures';
import { stepProblems, type JobState } from './history';
import { brokenLedgerEntries } from './ledger-check';

/** Deletions and the last journal line follow the visible state by up to a second; this limit is generous. */
const settleMs = 60_000;

/**
 * Checks all invariants of an environment once no job is in progress: paid calls, ids, states, events, pictures, files,
 * and what clients and the upstream observed (history.ts). Every test of the suite ends with an empty list.
 * @param hasDeleted - whether jobs were deleted, including their ledger entries
 * @param store - where the pictures are, if not in the data directory
 */
export async function findViolations(
  environment: FaultsEnvironment,
  {
    hasDeleted = false,
    store = mediaDirectory(environment),
  }: { hasDeleted?: boolean; store?: PictureStore } = {},
): Promise<string[]> {
  const deadline = Date.now() + settleMs;
  for (;;) {
    const found = await runChecks(environment, hasDeleted, store);
    if (found.length === 0 || Date.now() > deadline) return found;
    await pause(100);
  }
}

async function runChecks(
  environment: FaultsEnvironment,
  hasDeleted: boolean,
  store: PictureStore,
): Promise<string[]> {
  const found = await Promise.all([
    states(environment),
    streams(environment),
    submissions(environment),
    hasDeleted ? [] : payments(environment),
    timelines(environment),
    money(environment),
    pictures(environment, store),
    orphans(environment, store),
    journals(environment),
    environment.checker.problems(environment.clients, environment.anyGateway),
  ]);
  return found.flat();
}

const jobs = `SELECT 'MODEL' AS kind, id, status, progress, attempt, provider_ref FROM models
              UNION ALL SELECT 'GENERATION', id, status, progress, attempt, provider_ref FROM generations`;

interface JobRow {
  kind: string;
  id: string;
  status: string;
  attempt: number;
  provider_ref: string | null;
}

/** Every job is in a documented final state without pending work. */
async function states(environment: FaultsEnvironment): Promise<string[]> {
  const rows = await environment.rows<JobRow>(jobs);
  const ends = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED'];
  const bad = rows.filter(({ status }) => !ends.includes(status));
  return bad.map(({ kind, id, status }) => `${kind} ${id} is left ${status}`);
}

interface EventRow {
  stream_id: string;
  sequence: string;
  kind: string;
  subject_id: string;
  payload: Omit<JobState, 'id'>;
}

/** Sequences have no gaps, transitions are allowed, and progress never decreases within an attempt. */
async function streams(environment: FaultsEnvironment): Promise<string[]> {
  const rows = await environment.rows<EventRow>('SELECT * FROM events ORDER BY stream_id, sequence');
  const wrong: string[] = [];
  const last = new Map<string, EventRow>();
  const sequences = new Map<string, number>();
  for (const row of rows) {
    const before = sequences.get(row.stream_id) ?? 0;
    // Events of a deleted subject are erased, except the deletion event.
    if (row.kind !== 'DELETED' && Number(row.sequence) !== before + 1)
      wrong.push(`${row.stream_id}: ${row.sequence} follows ${before}`);
    sequences.set(row.stream_id, Number(row.sequence));
    if (row.kind !== 'MODEL' && row.kind !== 'GENERATION') continue;
    const earlier = last.get(row.subject_id);
    last.set(row.subject_id, row);
    if (earlier) wrong.push(...stepProblems(stateOf(earlier), stateOf(row)));
  }
  const now = await environment.rows<JobRow>(jobs);
  const unannounced = now.filter(({ id, status }) => last.get(id)?.payload.status !== status);
  return [
    ...wrong,
    ...repetitions(rows),
    ...unannounced.map(({ kind, id, status }) => `no event reports that ${kind} ${id} is ${status}`),
  ];
}

/** Each event records a change. */
function repetitions(rows: readonly EventRow[]): string[] {
  const last = new Map<string, string>();
  // Erased events keep only their sequence number.
  const kept = rows.filter(({ kind }) => kind !== 'DELETED');
  return kept.flatMap(({ stream_id: stream, sequence, subject_id: subject, payload }) => {
    const text = JSON.stringify(payload);
    const isRepeated = last.get(subject) === text;
    last.set(subject, text);
    return isRepeated ? [`${stream}: ${sequence} repeats the event of ${subject} before it`] : [];
  });
}

const stateOf = ({ kind, subject_id: id, payload }: EventRow): JobState => ({
  ...payload,
  id: `${kind.toLowerCase()}_${id}`,
});

/** The timeline of each job ends with its status, and has each paid call once. */
async function timelines(environment: FaultsEnvironment): Promise<string[]> {
  const job = 'coalesce(model_id, generation_id)';
  const unended = await environment.rows<{ id: string; status: string; latest: string | null }>(
    `SELECT j.id, j.status, e.status AS latest FROM (${jobs}) AS j LEFT JOIN LATERAL
       (SELECT status FROM timeline_entries WHERE ${job} = j.id AND kind = 'STATUS_CHANGED' ORDER BY id DESC LIMIT 1) AS e ON true
      WHERE e.status IS DISTINCT FROM j.status`,
  );
  const uncounted = await environment.rows<{ id: string; attempt: number; count: number }>(
    `SELECT s.id, s.attempt, (SELECT count(*)::int FROM timeline_entries e
        WHERE e.kind = 'SUBMITTED' AND e.attempt = s.attempt AND ${job} = s.id) AS count
       FROM (SELECT ${job} AS id, attempt FROM submissions WHERE ${job} IS NOT NULL) AS s`,
  );
  return [
    ...unended.map(({ id, status, latest }) => `${id} is ${status}, but its timeline ends with ${latest}`),
    ...uncounted
      .filter(({ count }) => count !== 1)
      .map(({ id, attempt, count }) => `attempt ${attempt} of ${id} is ${count} times in its timeline`),
  ];
}

interface SubmissionRow {
  job: string;
  attempt: number;
  outcome: string;
  provider_ref: string | null;
}

/** The ledger has each attempt once, and accepted ones have their id. */
async function submissions(environment: FaultsEnvironment): Promise<string[]> {
  const rows = await environment.rows<SubmissionRow>(
    'SELECT coalesce(model_id, generation_id) AS job, attempt, outcome, provider_ref FROM submissions ORDER BY attempt',
  );
  const wrong: string[] = [];
  for (const { kind, id, attempt, status, provider_ref: ref } of await environment.rows<JobRow>(jobs)) {
    const own = rows.filter(({ job }) => job === id);
    const numbers = own.map((row) => row.attempt).join();
    const wanted = Array.from({ length: attempt }, (_, index) => index + 1).join();
    if (numbers !== wanted) wrong.push(`${kind} ${id} has attempts ${numbers} instead of ${wanted}`);
    const isDone = ['READY', 'COMPLETED', 'PARTIAL'].includes(status);
    if (isDone && own.at(-1)?.provider_ref !== ref) wrong.push(`${kind} ${id} has lost its id`);
    if (own.some(({ outcome }) => outcome === 'CALLING')) wrong.push(`${kind} ${id} is called for ever`);
  }
  return wrong;
}

/** Calls executed upstream match accepted ledger entries, except for those with an unknown outcome. */
async function payments(environment: FaultsEnvironment): Promise<string[]> {
  const [books] = await environment.rows<{ accepted: number; unknown: number }>(
    `SELECT count(*) FILTER (WHERE outcome = 'ACCEPTED')::int AS accepted, count(*) FILTER (WHERE outcome = 'UNKNOWN')::int AS unknown
       FROM submissions`,
  );
  const { accepted, unknown } = books!;
  const paid = await environment.paid();
  if (paid >= accepted && paid <= accepted + unknown) return [];
  return [`${paid} were paid, ${accepted} are known, ${unknown} are marked as unknown`];
}

/** Each reservation has one end, and what was executed upstream is spent. Every attempt costs 1. */
async function money(environment: FaultsEnvironment): Promise<string[]> {
  const broken = await brokenLedgerEntries({ rows: (text) => environment.rows(text) });
  const [sums] = await environment.rows<{ open: number; spent: number }>(
    `SELECT count(*) FILTER (WHERE due_at IS NOT NULL)::int AS open, count(*) FILTER (WHERE kind = 'SPENT')::int AS spent FROM ledger_entries`,
  );
  const paid = await environment.paid();
  if (sums!.open > 0) broken.push(`${sums!.open} reservations are not over`);
  if (paid > sums!.spent) broken.push(`${paid} were executed, ${sums!.spent} are spent`);
  return broken;
}

/** No journal holds an id that the database lacks. */
async function journals(environment: FaultsEnvironment): Promise<string[]> {
  const rows = await environment.rows<{ ref: string }>(
    'SELECT provider_ref AS ref FROM submissions WHERE provider_ref IS NOT NULL',
  );
  const known = new Set(rows.map(({ ref }) => ref));
  const missing: string[] = [];
  for (const path of await journalFiles(environment)) {
    // A gateway that adopts the file renames it; its entries are in the next one.
    const text = await readFile(path, 'utf8').catch(() => '');
    const lines = text.split('\n');
    const entries = lines.flatMap((line) => readLine(line));
    // The database refuses and settles an id of another job, so it is never stored.
    const settled = new Set(entries.map(({ settled, ref }) => settled && `${settled} ${ref}`));
    const open = entries.filter((entry) => entry.id !== undefined && !settled.has(keyOf(entry)));
    missing.push(...open.filter(({ ref }) => !known.has(ref!)).map(keyOf));
  }
  return missing.map((key) => `only the journal knows the id of ${key}`);
}

async function journalFiles({ dataDirs }: FaultsEnvironment): Promise<string[]> {
  const folders = [...dataDirs].map((folder) => join(folder, 'journal'));
  const files = folders.map(async (folder) => (await readdir(folder)).map((name) => join(folder, name)));
  return (await Promise.all(files)).flat().filter((path) => path.endsWith('.ndjson'));
}

interface JournalLine {
  table?: string;
  id?: string;
  attempt?: number;
  ref?: string;
  settled?: string;
}

/** A line that was truncated by a kill is ignored. */
function readLine(line: string): JournalLine[] {
  try {
    return [JSON.parse(line) as JournalLine];
  } catch {
    return [];
  }
}

const keyOf = ({ table, id, attempt, ref }: JournalLine): string => `${table}/${id}/${attempt} ${ref}`;

/** The states of a job in its events, without consecutive duplicates. */
export async function statesOf(environment: FaultsEnvironment, globalId: string): Promise<string[]> {
  const rows = await environment.rows<{ status: string }>(
    `SELECT payload->>'status' AS status FROM events WHERE subject_id = $1 ORDER BY sequence`,
    [rowId(globalId)],
  );
  const all = rows.map(({ status }) => status);
  return all.filter((status, index) => status !== all[index - 1]);
}

/** The row's UUID in a global id. */
export function rowId(globalId: string): string {
  return readGlobalId(globalId)!.id;
}
