/**
 * How long jobs take: the durations that 0, 5, 10 … 100 % of them do not exceed, in milliseconds, not decreasing.
 * Between two values, durations count as evenly distributed.
 */
export type Durations = readonly number[];

/**
 * The tail of jobs that take longer than all of {@link Durations}: half of them take at least a tenth longer than they
 * have taken so far, one of ten at least a third.
 */
export const tailExponent = 7.25;

/** The share of jobs that take at most so long, 0 to 1; 1 for the last of the durations and longer ones. */
function shareWithin(durations: Durations, ms: number): number {
  const next = durations.findIndex((duration) => duration > ms);
  if (next < 0) return 1;
  if (next === 0) return 0;
  const [before, after] = [durations[next - 1]!, durations[next]!];
  return (next - 1 + (ms - before) / (after - before)) / (durations.length - 1);
}

function durationAt(durations: Durations, share: number): number {
  const place = share * (durations.length - 1);
  const index = Math.min(Math.floor(place), durations.length - 2);
  const [before, after] = [durations[index]!, durations[index + 1]!];
  return before + (after - before) * (place - index);
}

/**
 * The duration that the given share of those jobs does not exceed that have taken so long already, in milliseconds.
 * @param elapsedMs - at least 0
 * @param share - 0 to 1, less than 1
 */
export function remainingQuantile(durations: Durations, elapsedMs: number, share: number): number {
  const ended = shareWithin(durations, elapsedMs);
  if (ended === 1) return elapsedMs * (1 - share) ** (-1 / tailExponent);
  return Math.max(elapsedMs, durationAt(durations, ended + share * (1 - ended)));
}

/** The mean duration, in milliseconds. */
export function meanDuration(durations: Durations): number {
  return sumOfMiddles(durations, 0) / (durations.length - 1);
}

function sumOfMiddles(durations: Durations, first: number): number {
  let sum = 0;
  for (let index = first; index < durations.length - 1; index += 1) {
    sum += (durations[index]! + durations[index + 1]!) / 2;
  }
  return sum;
}

/** The progress at the last of the durations, and the limit of jobs that take longer, in percent. */
const lastProgress = 97;
const maxProgress = 99;

/**
 * The progress of a job that has taken so long, in percent: the elapsed time as a share of the expected one. Never
 * decreases with time, and has no steps.
 */
export function progressAt(durations: Durations, elapsedMs: number): number {
  const lastMs = Math.max(1, durations.at(-1)!);
  if (elapsedMs >= lastMs) return maxProgress - (maxProgress - lastProgress) * (lastMs / elapsedMs);
  let [startMs, start] = [0, 0];
  for (const [index, endMs] of durations.entries()) {
    const end = Math.max(start, lastProgress * shareOfExpected(durations, index));
    if (elapsedMs < endMs) return start + ((end - start) * (elapsedMs - startMs)) / (endMs - startMs);
    [startMs, start] = [endMs, end];
  }
  return start;
}

/** One of the durations as a share of the mean of those jobs that take longer. */
function shareOfExpected(durations: Durations, index: number): number {
  const left = durations.length - 1 - index;
  if (left === 0) return 1;
  if (durations[index] === 0) return 0;
  return durations[index]! / (sumOfMiddles(durations, index) / left);
}
