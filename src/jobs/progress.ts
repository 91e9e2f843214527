/** How far a job is and when it should be ready. */
export interface Forecast {
  /** Percent, 0 to 99: only the end itself is 100. */
  progress: number;
  readyAt: Date;
}

/** What a forecast is made from; times by one clock, durations in milliseconds. */
export interface ForecastInput {
  now: Date;
  submittedAt: Date;
  /** How long such jobs usually take. */
  typicalMs: number;
  /** What the upstream itself says, percent. */
  reported?: number;
  /** What was last told to clients; never undercut. */
  lastProgress: number;
}

/** Until its usual end a job gets to this share by the clock; what takes longer creeps on towards 99. */
const shareAtUsualEnd = 95;

/**
 * Progress and readiness from what the upstream says, or else from elapsed time against past durations.
 * An overdue job is expected to take a tenth of its time so far longer.
 */
export function forecast({ now, submittedAt, typicalMs, reported, lastProgress }: ForecastInput): Forecast {
  const elapsedMs = Math.max(0, now.getTime() - submittedAt.getTime());
  const byClock = shareByClock(elapsedMs / Math.max(1, typicalMs));
  const wanted = reported ?? byClock;
  const progress = Math.min(99, Math.max(lastProgress, Math.floor(wanted)));
  return { progress, readyAt: new Date(now.getTime() + remainingMs(elapsedMs, typicalMs, reported)) };
}

function shareByClock(share: number): number {
  if (share <= 1) return share * shareAtUsualEnd;
  return shareAtUsualEnd + (99 - shareAtUsualEnd) * (1 - Math.exp(1 - share));
}

function remainingMs(elapsedMs: number, typicalMs: number, reported: number | undefined): number {
  // Below 5 % a figure says more about rounding than about speed.
  if (reported !== undefined && reported >= 5) return (elapsedMs * (100 - Math.min(99, reported))) / reported;
  return Math.max(typicalMs - elapsedMs, elapsedMs / 10);
}
