import { progressAt, remainingQuantile, type Durations } from './durations';
import type { Pace } from './job.entity';

/** The properties of a job that its progress and its estimate depend on; times as text if they are read from JSON. */
export interface PacedJob {
  readonly status: string;
  readonly progress: number;
  readonly submittedAt: Date | string | null;
  readonly pace: Pace | null;
}

/** The properties of a kind of job that its progress depends on. */
export interface PacedKind {
  readonly running: string;
  readonly unfinished: readonly string[];
  /** The share of the whole job that the avatar service works on it. */
  readonly shareOfUpstream: number;
}

/** When a job is expected to end. */
export interface ReadyEstimate {
  readonly earliest: Date;
  readonly likely: Date;
  readonly latest: Date;
}

/** The progress of an unfinished job is less than 100. */
const maxUnfinished = 99;
/** Progress that the avatar service reports is shown step by step: so many points per second, or all in half the time. */
const minPointsPerMs = 5 / 1_000;
const typicalShare = 0.5;
/** Shown progress is that of a moment ago, so that it is never ahead of the progress that is stored with a change. */
const shownDelayMs = 2_000;
/** The interval is exceeded by one of ten jobs at each end. */
const outside = 0.1;
/** A report that makes the expected duration so many times as long is an event, although it is no more progress. */
const muchLater = 1.1;
/** With less, a report of the avatar service is too coarse to derive the duration. */
const minReported = 5;

/** The pace of a job that the avatar service has accepted. */
export function startPace(durations: Durations, atMs: number, isTimed: boolean): Pace {
  return { durations, atMs, reached: 0, reportedMs: null, isTimed };
}

/** The progress in percent to show for a job, an integer. It never goes back during an attempt. */
export function shownProgress(kind: PacedKind, job: PacedJob, nowMs: number): number {
  return currentProgress(kind, job, nowMs - shownDelayMs);
}

/** The progress in percent to store with a change of a job. */
export function currentProgress(kind: PacedKind, job: PacedJob, nowMs: number): number {
  return Math.floor(exactProgress(kind, job, nowMs));
}

function exactProgress(kind: PacedKind, job: PacedJob, nowMs: number): number {
  const { status, progress, pace } = job;
  if (!pace || !kind.unfinished.includes(status)) return progress;
  const wanted = Math.max(
    pace.reached,
    status === kind.running ? expectedProgress(kind, job, pace, nowMs) : 0,
  );
  const reachable = progress + pointsPerMs(pace) * Math.max(0, nowMs - pace.atMs);
  return Math.max(progress, Math.min(wanted, reachable, maxUnfinished));
}

function pointsPerMs(pace: Pace): number {
  return Math.max(minPointsPerMs, 100 / (typicalShare * medianOf(pace)));
}

/**
 * The progress to store, and the pace that continues from it. Without the fraction of a percent that is not stored,
 * frequent changes would keep the progress from rising.
 */
export function continuedPace(
  kind: PacedKind,
  job: PacedJob & { readonly pace: Pace },
  changes: Partial<Pick<Pace, 'reached' | 'reportedMs'>>,
  nowMs: number,
): { progress: number; pace: Pace } {
  const { pace } = job;
  const exact = exactProgress(kind, job, nowMs);
  const progress = Math.floor(exact);
  const atMs = nowMs - (exact - progress) / pointsPerMs(pace);
  return { progress, pace: { ...pace, ...changes, atMs } };
}

/** The job with the progress to store when it ends. */
export function withCurrentProgress<Row extends PacedJob>(kind: PacedKind, job: Row, nowMs: number): Row {
  return { ...job, progress: currentProgress(kind, job, nowMs) };
}

/** By elapsed time, or by what the avatar service reported if that is more. */
function expectedProgress(
  { shareOfUpstream }: PacedKind,
  job: PacedJob,
  { durations, reportedMs }: Pace,
  nowMs: number,
): number {
  const elapsedMs = elapsedOf(job, nowMs);
  const byTime = progressAt(durations, elapsedMs);
  const byReport = reportedMs === null ? 0 : progressAt([reportedMs, reportedMs], elapsedMs);
  return shareOfUpstream * Math.max(byTime, byReport);
}

/**
 * When a job is expected to end: in 8 of 10 cases between the two ends. A report of the avatar service decides what is
 * likely between them. Null unless it runs.
 */
export function readyEstimate(kind: PacedKind, job: PacedJob, nowMs: number): ReadyEstimate | null {
  const { pace, submittedAt } = job;
  if (!pace || submittedAt === null || !kind.unfinished.includes(job.status)) return null;
  const startMs = new Date(submittedAt).getTime();
  const elapsedMs = elapsedOf(job, nowMs);
  const at = (share: number): number => remainingQuantile(pace.durations, elapsedMs, share);
  const [earliestMs, latestMs] = [at(outside), at(1 - outside)];
  const likelyMs = Math.min(latestMs, Math.max(earliestMs, pace.reportedMs ?? at(0.5)));
  return {
    earliest: new Date(startMs + earliestMs),
    likely: new Date(startMs + likelyMs),
    latest: new Date(startMs + latestMs),
  };
}

/** {@link readyEstimate}; as stored for a job that was submitted by an earlier version. */
export function likelyReadyAt(
  kind: PacedKind,
  job: PacedJob & { readonly estimatedReadyAt: Date | string | null },
  nowMs: number,
): Date | null {
  const { pace, estimatedReadyAt } = job;
  if (pace) return readyEstimate(kind, job, nowMs)?.likely ?? null;
  return estimatedReadyAt === null ? null : new Date(estimatedReadyAt);
}

/** What is shown of a job at a time. */
export interface ShownJob {
  readonly progress: number;
  readonly estimatedReadyAt: Date | null;
  readonly estimatedReadyBetween: ReadyEstimate | null;
  /** Whether the progress is not stored. */
  readonly isEstimate: boolean;
}

/** A job's progress, and its estimate at a time. */
export function shownAt(
  kind: PacedKind,
  job: PacedJob & { readonly estimatedReadyAt: Date | null },
  atMs: number,
): ShownJob {
  return {
    progress: job.progress,
    estimatedReadyAt: likelyReadyAt(kind, job, atMs),
    estimatedReadyBetween: readyEstimate(kind, job, atMs),
    isEstimate: false,
  };
}

/**
 * The columns of a running job after a poll.
 * @param reported - the progress that the avatar service reports, in percent, if it does
 */
export function afterPoll(
  kind: PacedKind,
  job: PacedJob,
  reported: number | undefined,
  nowMs: number,
): { progress: number; pace: Pace | null; estimatedReadyAt?: Date | null } {
  const { pace } = job;
  if (!pace) return { progress: raised(kind, job, reported), pace };
  const reached = Math.max(pace.reached, Math.min(maxUnfinished, reported ?? 0) * kind.shareOfUpstream);
  const reportedMs =
    reached > pace.reached || isMuchLater(job, pace, reported, nowMs)
      ? reportedDuration(job, pace, reported, nowMs)
      : pace.reportedMs;
  const after = continuedPace(kind, { ...job, pace }, { reached, reportedMs }, nowMs);
  const estimate = readyEstimate(kind, { ...job, pace: after.pace }, nowMs);
  return { ...after, estimatedReadyAt: estimate?.likely ?? null };
}

/** Whether subscribers are to know of a poll: what is shown depends on it. */
export function isSeen(before: PacedJob, after: Pick<PacedJob, 'progress' | 'pace'>): boolean {
  return (
    after.progress !== before.progress ||
    after.pace?.reached !== before.pace?.reached ||
    after.pace?.reportedMs !== before.pace?.reportedMs
  );
}

/** For a job that was submitted by an earlier version. */
function raised({ shareOfUpstream }: PacedKind, { progress }: PacedJob, reported = 0): number {
  return Math.max(progress, Math.floor(Math.min(maxUnfinished, reported) * shareOfUpstream));
}

function reportedDuration(job: PacedJob, pace: Pace, reported = 0, nowMs: number): number | null {
  if (reported < minReported || reported > maxUnfinished) return pace.reportedMs;
  return Math.max(1, Math.round((elapsedOf(job, nowMs) * 100) / reported));
}

/** Whether the job is to take much longer than subscribers know from the last event: each poll says a little later. */
function isMuchLater(job: PacedJob, pace: Pace, reported: number | undefined, nowMs: number): boolean {
  return (reportedDuration(job, pace, reported, nowMs) ?? 0) > muchLater * (pace.reportedMs ?? Infinity);
}

function elapsedOf({ submittedAt }: PacedJob, nowMs: number): number {
  return submittedAt === null ? 0 : Math.max(0, nowMs - new Date(submittedAt).getTime());
}

function medianOf({ durations }: Pace): number {
  return Math.max(1, durations[Math.floor(durations.length / 2)]!);
}
