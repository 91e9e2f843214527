import { tailExponent, type Durations } from './durations';

/** Limits of the time between two polls of a job, in milliseconds. */
export interface PollInterval {
  readonly minMs: number;
  readonly maxMs: number;
}

/** A time in which the ends of jobs are evenly distributed. */
interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
  /** The share of jobs that still run in its middle. */
  readonly running: number;
  /** The square root of the probability per millisecond that a job that runs ends. */
  readonly rate: number;
}

function stretchesOf(durations: Durations): Stretch[] {
  const share = 1 / (durations.length - 1);
  return durations.slice(1).map((endMs, index) => {
    const startMs = durations[index]!;
    const running = 1 - (index + 0.5) * share;
    return { startMs, endMs, running, rate: Math.sqrt(share / running / Math.max(1, endMs - startMs)) };
  });
}

/**
 * The effort of finding the ends of jobs, in square roots of milliseconds: the mean number of polls of a job is this,
 * divided by the spacing of {@link nextPollMs}.
 */
export function pollEffort(durations: Durations): number {
  return stretchesOf(durations).reduce(
    (sum, { startMs, endMs, running, rate }) => sum + running * rate * (endMs - startMs),
    0,
  );
}

/**
 * The time until the next poll of a job that runs. Polls are as frequent as the square root of the probability that the
 * job ends in the next moment: that finds the ends soonest for the number of polls.
 * @param elapsedMs - since its submission
 * @param spacing - the same for all jobs that share a budget; half as many polls need twice the spacing
 */
export function nextPollMs(
  durations: Durations,
  elapsedMs: number,
  spacing: number,
  { minMs, maxMs }: PollInterval,
): number {
  const wantedMs = timeOfNext(durations, elapsedMs, spacing) - elapsedMs;
  return Math.min(maxMs, Math.max(minMs, wantedMs));
}

/** The time at which the rate has added up to the spacing. */
function timeOfNext(durations: Durations, elapsedMs: number, spacing: number): number {
  let missing = spacing;
  for (const { startMs, endMs, rate } of stretchesOf(durations)) {
    const fromMs = Math.max(startMs, elapsedMs);
    if (fromMs >= endMs) continue;
    const atMs = fromMs + missing / rate;
    if (atMs <= endMs) return atMs;
    missing -= (endMs - fromMs) * rate;
  }
  // In the tail the probability is inversely proportional to the elapsed time.
  const fromMs = Math.max(durations.at(-1)!, elapsedMs);
  return (Math.sqrt(fromMs) + missing / (2 * Math.sqrt(tailExponent))) ** 2;
}
